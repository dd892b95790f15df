package policy_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// trick is one way to ask for power over a host.
type trick struct {
	file string // deploy.yml
	key  string // the path that the refusal names
	// lift is what the operator must grant: words of allow:, or "mounts:",
	// "options:", "registries:" where the lists do it; empty: nothing lifts it.
	lift string
	// unread tells that Kamal's mode refuses the file too, as docker run or
	// Fairlead's reading of it does.
	unread bool
}

func option(text string) string {
	return "service: shop\nimage: acme/shop\nservers:\n  web:\n    hosts: [h1]\n    options:\n      " + text + "\n"
}

func root(text string) string {
	return "service: shop\nimage: acme/shop\nservers: [h1]\n" + text + "\n"
}

func accessory(text string) string {
	return root("accessories:\n  db:\n    image: postgres:17\n    host: h2\n    " + text)
}

const (
	roleOption = "servers.web.options."
	db         = "accessories.db."
)

func hostileOptions() map[string]trick {
	one := func(text, flag, lift string) trick {
		return trick{file: option(text), key: roleOption + flag, lift: lift}
	}
	bad := func(text, flag string) trick { return trick{file: option(text), key: roleOption + flag, unread: true} }
	return map[string]trick{
		"privileged":                       one("privileged: true", "privileged", "privileged"),
		"privileged as a bare flag":        one("privileged:", "privileged", "privileged"),
		"privileged as a text":             one(`privileged: "1"`, "privileged", "privileged"),
		"privileged as Ruby reads yes":     one("privileged: yes", "privileged", "privileged"),
		"privileged in a list":             one("privileged: [true, false]", "privileged[0]", "privileged"),
		"privileged by an anchor":          {file: "x-a: &a {privileged: true}\n" + root("accessories:\n  db: {image: 'postgres:17', host: h2, options: *a}"), key: db + "options.privileged", lift: "privileged"},
		"all capabilities":                 one("cap-add: ALL", "cap-add", "privileged"),
		"a capability in small letters":    one("cap-add: sys_admin", "cap-add", "privileged"),
		"a capability with its prefix":     one("cap-add: [CHOWN, CAP_SYS_PTRACE]", "cap-add[1]", "privileged"),
		"a capability of networks":         one("cap-add: NET_ADMIN", "cap-add", "privileged"),
		"a capability of modules":          one("cap-add: SYS_MODULE", "cap-add", "privileged"),
		"a capability to open by handle":   one("cap-add: DAC_READ_SEARCH", "cap-add", "privileged"),
		"no seccomp":                       one("security-opt: seccomp=unconfined", "security-opt", "privileged"),
		"no seccomp with a colon":          one("security-opt: 'seccomp:unconfined'", "security-opt", "privileged"),
		"no apparmor":                      one("security-opt: [no-new-privileges, apparmor=unconfined]", "security-opt[1]", "privileged"),
		"no labels":                        one("security-opt: label=disable", "security-opt", "privileged"),
		"nothing masked":                   one("security-opt: systempaths=unconfined", "security-opt", "privileged"),
		"new privileges":                   one("security-opt: no-new-privileges=false", "security-opt", "privileged"),
		"a disk":                           one("device: /dev/sda", "device", "privileged"),
		"a disk, read only":                one("device: '/dev/sda:/dev/xvda:r'", "device", "privileged"),
		"memory":                           one("device: [/dev/mem]", "device", "privileged"),
		"the hypervisor":                   one("device: /dev/kvm", "device", "privileged"),
		"a file system's device":           one("device: /dev/fuse", "device", "privileged"),
		"every device":                     one("device-cgroup-rule: 'b *:* rwm'", "device-cgroup-rule", "privileged"),
		"a GPU":                            one("gpus: all", "gpus", "privileged"),
		"another runtime":                  one("runtime: crun", "runtime", "privileged"),
		"another cgroup":                   one("cgroup-parent: /system.slice", "cgroup-parent", "privileged"),
		"the host's processes":             one("pid: host", "pid", "host"),
		"another container's processes":    one("pid: 'container:vault'", "pid", "host"),
		"the host's IPC":                   one("ipc: host", "ipc", "host"),
		"another container's IPC":          one("ipc: 'container:vault'", "ipc", "host"),
		"the host's name":                  one("uts: host", "uts", "host"),
		"the host's users":                 one("userns: host", "userns", "host"),
		"the host's cgroups":               one("cgroupns: host", "cgroupns", "host"),
		"the host's network":               one("network: host", "network", "host"),
		"the host's network in a list":     one("network: [kamal, host]", "network[1]", "host"),
		"the host's network, long form":    one("network: 'name=host,alias=x'", "network", "host"),
		"another container's network":      one("network: 'container:vault'", "network", "host"),
		"the host's network by net":        bad("net: host", "net"),
		"the host's network, network mode": bad("network-mode: host", "network-mode"),
		"kernel parameters":                one("sysctl: kernel.core_pattern=x", "sysctl", "options:"),
		"the host's ssh port":              {file: "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], options: {publish: '22:22'}}}", key: "servers.jobs.options.publish", lift: "host"},
		"a range of ports":                 {file: "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], options: {publish: '1023-1024:1023-1024'}}}", key: "servers.jobs.options.publish", lift: "host"},
		"a port on one address":            {file: "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], options: {publish: ['9000:1', '127.0.0.1:53:53/udp']}}}", key: "servers.jobs.options.publish[1]", lift: "host"},
		"another container's volumes":      one("volumes-from: vault", "volumes-from", "mounts"),
		"the root":                         one("volume: '/:/host'", "volume", "mounts socket"),
		"the root by a way up":             one("volume: '/srv/..:/host'", "volume", "mounts socket"),
		"the root by mount":                one("mount: 'type=bind,source=/,target=/host'", "mount", "mounts socket"),
		"the root by mount, short":         one("mount: 'type=bind,src=/,dst=/host,ro'", "mount", "mounts socket"),
		"the socket":                       one("volume: '/var/run/docker.sock:/var/run/docker.sock'", "volume", "socket"),
		"the socket, read only":            one("volume: '/var/run/docker.sock:/d:ro'", "volume", "socket"),
		"the socket by its true path":      one("volume: '/run/docker.sock:/d'", "volume", "socket"),
		"the socket by a way up":           one("volume: '/var/run/../run/docker.sock:/d'", "volume", "socket"),
		"the socket from a listed folder":  one("volume: '/srv/shop/../../run//docker.sock:/d'", "volume", "socket"),
		"the socket by mount":              one("mount: 'type=bind,source=/run/./docker.sock,destination=/d'", "mount", "socket"),
		"a socket in a listed folder":      one("volume: '/srv/shop/docker.sock:/d'", "volume", "socket"),
		"the folder of sockets":            one("volume: '/var/run:/r'", "volume", "mounts: socket"),
		"the user's folder of sockets":     one("volume: '/run/user/1000:/r'", "volume", "mounts: socket"),
		"a user's socket":                  one("volume: '/run/user/1000/docker.sock:/d'", "volume", "socket"),
		"containerd":                       one("volume: '/run/containerd/containerd.sock:/c'", "volume", "socket"),
		"containerd's folder":              one("volume: '/run/containerd:/c'", "volume", "mounts: socket"),
		"podman":                           one("volume: '/run/podman/podman.sock:/c'", "volume", "socket"),
		"systemd's bus":                    one("volume: '/run/dbus/system_bus_socket:/c'", "volume", "socket"),
		"systemd itself":                   one("volume: '/run/systemd/private:/c'", "volume", "socket"),
		"a path called a volume":           one("mount: 'type=volume,source=/etc,target=/x'", "mount", ""),
		"the root called a volume":         one("mount: 'source=/,target=/x'", "mount", ""),
		"a socket called a volume":         one("mount: 'source=/run/docker.sock,target=/x'", "mount", ""),
		"a path in a path":                 one("mount: 'type=volume,source=/etc:/x,target=/y'", "mount", ""),
		"a target in a target":             one("mount: 'type=volume,target=/etc:/host'", "mount", ""),
		"a volume made of a folder":        bad("mount: 'type=volume,source=v,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/'", "mount"),
		"a mount that comes back":          one("volume: '/srv/shop/a:/x:rshared'", "volume", "mounts"),
		"a mount that comes back, long":    one("mount: 'type=bind,source=/srv/shop/a,target=/x,bind-propagation=shared'", "mount", "mounts"),
		"logs sent away":                   one("log-driver: syslog", "log-driver", "options:"),
		"logs to a file of the host":       one("log-opt: syslog-address=unixgram:///run/systemd/journal/socket", "log-opt", "options:"),
		"another's label":                  one("label: service=bank", "label", ""),
		"another's role":                   one("label: [a=b, role=web]", "label[1]", ""),
		"another's revision":               one("label: fairlead.release=1", "label", ""),
		"a flag not listed":                one("oom-kill-disable: true", "oom-kill-disable", "options:"),
		"another's name in the network":    one("network-alias: bank-db", "network-alias", "options:"),
		"a group of the host":              one("group-add: docker", "group-add", "options:"),
		"a flag that cannot be read":       bad("annotation: run.oci.keep_original_groups=1", "annotation"),
		"the engine's socket by a flag":    bad("use-api-socket: true", "use-api-socket"),
		"variables of the host":            bad("env-file: /etc/environment", "env-file"),
		"labels of the host":               bad("label-file: /etc/shadow", "label-file"),
	}
}

func hostileFiles() map[string]trick {
	volume := func(text, lift string) trick {
		return trick{file: root("volumes:\n  - data:/data\n  - \"" + text + "\""), key: "volumes[1]", lift: lift}
	}
	return map[string]trick{
		"the root":                          volume("/:/host", "mounts socket"),
		"the root, much written":            volume("//.//:/host:ro", "mounts socket"),
		"the socket":                        volume("/var/run/docker.sock:/var/run/docker.sock", "socket"),
		"the kernel":                        volume("/proc:/p", "mounts:"),
		"the first process's root":          volume("/proc/1/root:/p", "mounts:"),
		"devices by sysfs":                  volume("/sys:/s:rw", "mounts:"),
		"devices":                           volume("/dev:/d", "mounts:"),
		"accounts":                          volume("/etc:/e", "mounts:"),
		"one account file":                  volume("/etc/shadow:/e:ro", "mounts:"),
		"cron":                              volume("/etc/cron.d:/c", "mounts:"),
		"root's home":                       volume("/root/.ssh:/s", "mounts:"),
		"all containers":                    volume("/var/lib/docker:/d", "mounts:"),
		"a neighbour with the same start":   volume("/srv/shopkeeper:/s", "mounts:"),
		"the parent of a listed folder":     volume("/srv:/s", "mounts:"),
		"a way out of a listed folder":      volume("/srv/shop/../bank:/s", "mounts:"),
		"a way out of home":                 volume("./../../etc:/e", "mounts"),
		"the keys in home":                  volume("./.ssh:/s", "mounts"),
		"home":                              volume("./:/s", "mounts"),
		"home by a tilde":                   volume("~/.ssh:/s", "mounts"),
		"home by a variable":                volume("$HOME/.ssh:/s", "mounts"),
		"home by another form":              volume("${PWD}/..:/s", "mounts"),
		"the proxy's certificates":          volume("kamal-proxy-config:/p", "mounts"),
		"a destination's own options":       {file: option("privileged: true"), key: roleOption + "privileged", lift: "privileged"},
		"a second role":                     {file: "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], options: {pid: host}}}", key: "servers.jobs.options.pid", lift: "host"},
		"logs of all roles":                 {file: root("logging: {driver: gelf}"), key: "logging", lift: "options:"},
		"logs of one role":                  {file: "service: shop\nimage: acme/shop\nservers: {web: {hosts: [h1], logging: {driver: fluentd}}}", key: "servers.web.logging", lift: "options:"},
		"an accessory's volume":             {file: accessory("volumes: ['/:/host']"), key: db + "volumes[0]", lift: "mounts socket"},
		"an accessory's socket":             {file: accessory("volumes: ['d:/d', '/run/docker.sock:/d.sock']"), key: db + "volumes[1]", lift: "socket"},
		"an accessory's folder":             {file: accessory("directories: ['/etc:/e']"), key: db + "directories[0]", lift: "mounts:"},
		"an accessory's own root":           {file: accessory("directories: ['.:/e']"), key: db + "directories[0]", lift: "mounts"},
		"below an accessory's folder":       {file: accessory("directories: ['data/link:/e']"), key: db + "directories[0]", lift: "mounts"},
		"a folder named for another":        {file: accessory("service: bank-db\n    directories: ['data:/e']"), key: db + "directories[0]", lift: "mounts"},
		"a folder that comes back":          {file: accessory("directories: ['data:/e:rshared']"), key: db + "directories[0]", lift: "mounts"},
		"a file out of the folder":          {file: accessory("files: ['config/x:/../../etc/cron.d/x']"), key: db + "files[0]"},
		"an accessory with power":           {file: accessory("options: {privileged: true}"), key: db + "options.privileged", lift: "privileged"},
		"an accessory's device":             {file: accessory("options: {device: [/dev/null, /dev/sda]}"), key: db + "options.device[1]", lift: "privileged"},
		"an accessory on the host":          {file: accessory("network: host"), key: db + "network", lift: "host"},
		"an accessory in a container":       {file: accessory("network: 'container:vault'"), key: db + "network", lift: "host"},
		"an accessory's port":               {file: accessory("port: '80:5432'"), key: db + "port", lift: "host"},
		"an accessory's bare port":          {file: accessory("port: 22"), key: db + "port", lift: "host"},
		"an accessory's logs":               {file: accessory("logging: {driver: splunk}"), key: db + "logging", lift: "options:"},
		"the proxy with power":              {file: root("proxy: {run: {options: {privileged: true}}}"), key: "proxy.run.options.privileged", lift: "privileged"},
		"the proxy with the socket":         {file: root("proxy: {run: {options: {volume: '/var/run/docker.sock:/d'}}}"), key: "proxy.run.options.volume", lift: "socket"},
		"the proxy on another's port":       {file: root("proxy: {run: {http_port: 25}}"), key: "proxy.run.http_port", lift: "host"},
		"a role's proxy":                    {file: "service: shop\nimage: acme/shop\nservers: {web: {hosts: [h1], proxy: {run: {options: {pid: host}}}}}", key: "servers.web.proxy.run.options.pid", lift: "host"},
		"an accessory's proxy":              {file: accessory("proxy: {run: {options: {pid: host}}}"), key: db + "proxy.run.options.pid", lift: "host"},
		"a command on the daemon's machine": {file: root("ssh: {proxy_command: 'sh -c id %h'}"), key: "ssh.proxy_command", lift: "proxy_command", unread: true},
	}
}

func hostileImages() map[string]trick {
	own := func(text, key string) trick { return trick{file: text, key: key, lift: "registries:"} }
	image := func(image, rest string) string {
		return "service: shop\nimage: " + image + "\nservers: [h1]\n" + rest
	}
	ok := "image: ghcr.io/acme/shop\n"
	return map[string]trick{
		"Docker Hub":                   own(image("evil/shop", ""), "image"),
		"an official image":            own(image("alpine", ""), "image"),
		"another registry":             own(image("evil.example.com/acme/shop", ""), "image"),
		"another owner":                own(image("ghcr.io/evil/shop", ""), "image"),
		"an owner with the same start": own(image("ghcr.io/acme-evil/shop", ""), "image"),
		"a digest":                     own(image("ghcr.io/evil/shop@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", ""), "image"),
		"a port":                       own(image("ghcr.io:444/acme/shop", ""), "image"),
		"another server":               own(image("acme/shop", "registry: {server: evil.example.com, username: u, password: [P]}"), "registry.server"),
		"a server with a path":         own(image("acme/shop", "registry: {server: ghcr.io/evil}"), "image"),
		"a server with a way up":       {file: image("shop", "registry: {server: ghcr.io/acme/../evil}"), key: "image"},
		"a server that is none":        own(image("shop", "registry: {server: ghcr}"), "registry.server"),
		"an accessory's image":         own("service: shop\n"+ok+"servers: [h1]\naccessories: {db: {image: evil/postgres, host: h2}}", "accessories.db.image"),
		"an accessory's registry":      own("service: shop\n"+ok+"servers: [h1]\naccessories: {db: {image: acme/db, host: h2, registry: {server: evil.example.com}}}", "accessories.db.registry.server"),
		"the proxy's repository":       own("service: shop\n"+ok+"servers: [h1]\nproxy: {run: {repository: evil/kamal-proxy}}", "proxy.run.repository"),
		"the proxy's registry":         own("service: shop\n"+ok+"servers: [h1]\nproxy: {run: {registry: evil.example.com}}", "proxy.run.registry"),
		"a role's proxy's registry":    own("service: shop\n"+ok+"servers: {web: {hosts: [h1], proxy: {run: {registry: evil.example.com, repository: a/b}}}}", "servers.web.proxy.run.registry"),
		"the hub by one of its names":  own(image("registry-1.docker.io/evil/shop", ""), "image"),
	}
}

func load(t testing.TB, text string) (*spec.Deploy, error) {
	t.Helper()
	d, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}, spec.Options{})
	return d, err
}

// grant applies a line of fairlead.yml to a policy, as its reader does.
func grant(t *testing.T, p policy.Policy, line string) policy.Policy {
	t.Helper()
	var doc struct {
		Allow  []string
		Policy *struct {
			Mode                        policy.Mode
			Mounts, Options, Registries []string
		}
	}
	if err := yaml.Unmarshal([]byte(line), &doc); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if doc.Allow != nil {
		p.Allow = doc.Allow
	}
	if q := doc.Policy; q != nil {
		p.Mode, p.Mounts, p.Options, p.Registries = q.Mode, q.Mounts, q.Options, q.Registries
	}
	return p
}

func (tr trick) String() string { return fmt.Sprintf("%s\n(key %s)", tr.file, tr.key) }
