package docker_test

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// richImage sets everything that an image can bring into a container.
func richImage() dockertest.Config {
	return dockertest.Config{
		Entrypoint: []string{"/toy"}, Cmd: []string{"sleep"}, Env: []string{"PATH=/bin", "RAILS_ENV=production"},
		Labels: map[string]string{"service": "shop", "vendor": "acme"}, User: "1000", WorkingDir: "/rails", StopSignal: "SIGINT",
		Volumes: map[string]struct{}{"/rails/storage": {}}, ExposedPorts: map[string]struct{}{"3000/tcp": {}},
		Healthcheck: &dockertest.Healthcheck{Test: []string{"CMD", "/toy", "ok"}, Interval: int64(5 * time.Second), Retries: 2},
	}
}

// create makes a container that is removed at the end of the test.
func create(t *testing.T, e *docker.Engine, spec container.Spec) (id string) {
	t.Helper()
	id, err := e.Create(t.Context(), dockertest.ID(t), spec)
	if id != "" {
		t.Cleanup(func() {
			if err := e.Remove(context.WithoutCancel(t.Context()), id); err != nil {
				t.Errorf("clean up: %v", err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// options are combinations of role options, all of which an engine must give
// back as they were asked for.
func options() map[string]map[string][]string {
	return map[string]map[string][]string{
		"nothing":                     {},
		"memory without swap":         {"memory": {"64m"}},
		"memory with swap":            {"memory": {"64m"}, "memory-swap": {"128m"}, "memory-reservation": {"32m"}},
		"memory with unlimited swap":  {"memory": {"64m"}, "memory-swap": {"-1"}},
		"swappiness":                  {"memory": {"64m"}, "memory-swappiness": {"10"}},
		"oom":                         {"memory": {"64m"}, "oom-kill-disable": {"true"}, "oom-score-adj": {"100"}},
		"processors":                  {"cpus": {"1.5"}, "cpu-shares": {"512"}, "cpuset-cpus": {"0"}},
		"processor quota":             {"cpu-period": {"100000"}, "cpu-quota": {"50000"}},
		"pids":                        {"pids-limit": {"100"}},
		"no pids limit":               {"pids-limit": {"-1"}},
		"capabilities":                {"cap-add": {"CAP_NET_ADMIN", "sys_ptrace"}, "cap-drop": {"ALL"}},
		"hosts":                       {"add-host": {"db:10.0.0.1", "six:fd00::1"}, "dns": {"9.9.9.9", "1.1.1.1"}, "dns-search": {"corp"}, "dns-option": {"ndots:2"}},
		"ulimits":                     {"ulimit": {"nofile=1024:2048", "core=-1"}},
		"the image's user":            {"user": {"1000"}, "workdir": {"/rails"}},
		"another user":                {"user": {"0:0"}, "workdir": {"/"}},
		"another entrypoint":          {"entrypoint": {"/other"}},
		"the image's entrypoint":      {"entrypoint": {"/toy"}},
		"host name":                   {"hostname": {"web-1"}, "domainname": {"corp"}},
		"restart always":              {"restart": {"always"}},
		"restart no":                  {"restart": {"no"}},
		"restart on failure":          {"restart": {"on-failure:3"}},
		"shared memory":               {"shm-size": {"128m"}},
		"tmpfs":                       {"tmpfs": {"/run:size=64m,mode=1777", "/tmp"}},
		"tmpfs as mount":              {"mount": {"type=tmpfs,destination=/cache,tmpfs-size=1m,tmpfs-mode=0770"}},
		"bind":                        {"volume": {"/tmp:/host:ro", "/tmp/:/host2/:rw", "/tmp:/host3:ro,z"}},
		"bind as mount":               {"mount": {"type=bind,source=/tmp,target=/host,readonly"}},
		"bind with propagation":       {"mount": {"type=bind,source=/tmp,target=/host,bind-propagation=rslave"}},
		"anonymous volumes":           {"volume": {"/rails/storage", "/data"}},
		"uncopied anonymous volume":   {"mount": {"type=volume,target=/data,volume-nocopy"}},
		"devices":                     {"device": {"/dev/null", "/dev/zero:/dev/nothing:r"}},
		"device rules":                {"device-cgroup-rule": {"c 42:* rmw"}},
		"gpus":                        {"gpus": {"all"}},
		"some gpus":                   {"gpus": {"device=1,0"}},
		"init":                        {"init": {"true"}},
		"no init":                     {"init": {"false"}},
		"read-only":                   {"read-only": {"true"}},
		"privileged":                  {"privileged": {"true"}},
		"security options":            {"security-opt": {"no-new-privileges", "seccomp=unconfined"}},
		"other form of security":      {"security-opt": {"no-new-privileges:true", "seccomp:unconfined"}},
		"sysctls":                     {"sysctl": {"net.core.somaxconn=1024"}},
		"the host's pids":             {"pid": {"host"}},
		"the host's ipc":              {"ipc": {"host"}},
		"private ipc":                 {"ipc": {"private"}},
		"shareable ipc":               {"ipc": {"shareable"}},
		"the host's uts":              {"uts": {"host"}},
		"cgroup namespace":            {"cgroupns": {"host"}},
		"groups":                      {"group-add": {"27", "4"}},
		"the image's stop signal":     {"stop-signal": {"SIGINT"}, "stop-timeout": {"10"}},
		"another stop signal":         {"stop-signal": {"QUIT"}, "stop-timeout": {"45"}},
		"the image's health":          {"health-retries": {"2"}},
		"a longer health interval":    {"health-interval": {"10s"}},
		"another health check":        {"health-cmd": {"curl localhost"}, "health-timeout": {"2s"}, "health-start-period": {"1m"}},
		"no health check":             {"no-healthcheck": {"true"}},
		"labels":                      {"label": {"service=shop", "role=web", "empty="}},
		"environment":                 {"env": {"RAILS_ENV=production", "A=1", "EMPTY=", "MANY=a=b", "LINES=a\nb"}},
		"logs":                        {"log-driver": {"local"}, "log-opt": {"max-size=10m", "max-file=3"}},
		"log options, default driver": {"log-opt": {"max-size=11m"}},
		"published":                   {"publish": {"127.0.0.1:0:80", "3000"}},
		"published and exposed":       {"publish": {"127.0.0.1::3000/tcp"}, "expose": {"3000", "9000/udp"}},
		"published range":             {"publish": {"18080-18082:80-82/udp"}},
		"published on every address":  {"publish": {"0.0.0.0:18090:80"}},
		"terminal":                    {"tty": {"true"}, "interactive": {"true"}},
		"runtime":                     {"runtime": {"runc"}},
		"alias":                       {"network-alias": {"web", "shop"}},
	}
}

// This is the heart of "no false redeploy": what was asked for, read back from
// a real engine, differs in nothing; before and after a start.
func TestAContainerReadBackDiffersInNothingFromWhatWasAskedFor(t *testing.T) {
	e := dockertest.Engine(t)
	network := dockertest.Network(t, e)
	rich, plain := dockertest.Image(t, e, richImage()), dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	for name, flags := range options() {
		for kind, image := range map[string]string{"rich image": rich, "plain image": plain} {
			t.Run(name+", "+kind, func(t *testing.T) {
				// Whose a container is, each of ours says itself, whatever its image says.
				spec := container.Spec{Image: image, Network: network, Labels: map[string]string{"service": "shop"}}
				if err := container.ApplyOptions(&spec, flags); err != nil {
					t.Fatal(err)
				}
				id := create(t, e, spec)
				same(t, e, id, spec)
				if kind == "rich image" && startable(name) {
					if err := e.Start(t.Context(), id); err != nil {
						t.Fatal(err)
					}
					same(t, e, id, spec)
				}
			})
		}
	}
}

// startable leaves out what a machine may lack devices, programs, rights or
// free ports for; creation alone shows their options.
func startable(name string) bool {
	return !slices.Contains([]string{"gpus", "some gpus", "another entrypoint", "published range", "published on every address", "init",
		"another health check", "device rules", "privileged", "bind with propagation"}, name)
}

func same(t *testing.T, e *docker.Engine, id string, spec container.Spec) {
	t.Helper()
	o, err := e.Inspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Diff(spec, func(string) bool { return true }) {
		t.Errorf("%s: was %q, want %q", c.Field, c.Was, c.Want)
	}
}

// Every option must also be seen when it is not there.
func TestAnOptionThatCameOrWentIsSeen(t *testing.T) {
	e := dockertest.Engine(t)
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, richImage())
	base := container.Spec{Image: image, Network: network}
	bare, err := e.Inspect(t.Context(), create(t, e, base))
	if err != nil {
		t.Fatal(err)
	}
	// What the image or the engine does anyway, or this kernel cannot.
	silent := []string{"nothing", "swappiness", "no pids limit", "the image's user", "the image's stop signal", "the image's health", "restart no",
		"no init"}
	for name, flags := range options() {
		if slices.Contains(silent, name) {
			continue
		}
		spec := base
		if err := container.ApplyOptions(&spec, flags); err != nil {
			t.Fatal(err)
		}
		changes := bare.Diff(spec, nil)
		if len(changes) == 0 && !(name == "private ipc" && bare.Spec.Security.IpcMode == "private") && name != "cgroup namespace" && name != "runtime" {
			t.Errorf("%s: not seen as missing", name)
		}
	}
}

func TestAContainerLivesThroughEveryStep(t *testing.T) {
	e := dockertest.Engine(t)
	ctx := t.Context()
	network, other := dockertest.Network(t, e), dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	spec := container.Spec{Image: image, Network: network, ExtraNetworks: []string{other}, Cmd: []string{"serve"},
		Labels: map[string]string{"fairlead-test": network}, Env: map[string]secret.Value{"KEY": secret.New("hunter2")}}
	id := create(t, e, spec)
	for _, step := range []struct {
		name string
		do   func() error
		want container.Status
	}{
		{"start", func() error { return e.Start(ctx, id) }, container.Running},
		{"start again", func() error { return e.Start(ctx, id) }, container.Running},
		{"rename", func() error { return e.Rename(ctx, id, network+"-renamed") }, container.Running},
		{"rename to the same", func() error { return e.Rename(ctx, id, network+"-renamed") }, container.Running},
		{"restart", func() error { return e.Restart(ctx, id, time.Second) }, container.Running},
		{"stop", func() error { return e.Stop(ctx, id, 5*time.Second) }, container.Exited},
		{"stop again", func() error { return e.Stop(ctx, id, 5*time.Second) }, container.Exited},
		{"kill what does not run", func() error { return e.Kill(ctx, id, "KILL") }, container.Exited},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		all, err := e.Containers(ctx, map[string]string{"fairlead-test": network})
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d containers, %v", step.name, len(all), err)
		}
		if o := all[0]; o.State.Status != step.want || o.ID != id {
			t.Errorf("after %s: %s", step.name, o.State.Status)
		} else if o.State.Status == container.Running && (o.Addresses[network] == "" || o.Addresses[other] == "") {
			t.Errorf("after %s: no addresses: %v", step.name, o.Addresses)
		}
	}
	if o, _ := e.Inspect(ctx, network+"-renamed"); o.State.ExitCode != 0 || o.State.FinishedAt.IsZero() {
		t.Errorf("a clean stop shows as %+v", o.State)
	}
	for range 2 {
		if err := e.Remove(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Inspect(ctx, id); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("inspect of a removed container: %v", err)
	}
}

// Nothing reaches such a container, and starting it anew does not help.
func TestAContainerTakenOffItsNetworkByHandDiffersInItsNetwork(t *testing.T) {
	e := dockertest.Engine(t)
	network := dockertest.Network(t, e)
	spec := container.Spec{Image: dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}}), Network: network, Cmd: []string{"serve"}}
	id := create(t, e, spec)
	start := func() error { return e.Start(t.Context(), id) }
	byHand := func() error {
		return exec.CommandContext(t.Context(), "docker", "network", "disconnect", network, id).Run()
	}
	stop := func() error { return e.Stop(t.Context(), id, time.Second) }
	same(t, e, id, spec)
	for i, do := range []func() error{start, byHand, stop, start} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		o, err := e.Inspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		diff := o.Diff(spec, func(string) bool { return true })
		off := len(diff) == 1 && diff[0].Field == "network" && diff[0].Was == "none" && diff[0].Want == network
		if i == 0 && len(diff) > 0 || i > 0 && !off {
			t.Errorf("after step %d it differs in %+v", i, diff)
		}
	}
}

func TestKnownFailuresHaveTheirOwnErrors(t *testing.T) {
	e := dockertest.Engine(t)
	ctx := t.Context()
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	id := create(t, e, container.Spec{Image: image, Network: network})
	o, err := e.Inspect(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	second := create(t, e, container.Spec{Image: image, Network: network})
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"a taken name":           {second2(e.Create(ctx, o.Name, container.Spec{Image: image, Network: network})), docker.ErrNameTaken},
		"a rename to it":         {e.Rename(ctx, second, o.Name), docker.ErrNameTaken},
		"a missing image":        {second2(e.Create(ctx, network+"-x", container.Spec{Image: network + ":none"})), docker.ErrNoImage},
		"a missing container":    {e.Start(ctx, network+"-none"), docker.ErrNotFound},
		"an image in use":        {e.RemoveImage(ctx, image), docker.ErrInUse},
		"a path that is not":     {second2(e.StatPath(ctx, id, "/none")), docker.ErrNotFound},
		"a refused parameter":    {second2(e.Create(ctx, network+"-y", container.Spec{Image: image, Restart: container.Restart{Policy: "sometimes"}})), docker.ErrInvalid},
		"a registry that is not": {e.Pull(ctx, "127.0.0.1:1/none:v1", docker.Auth{}, nil), nil},
	} {
		if c.err == nil || c.want != nil && !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
		if c.err != nil && !strings.Contains(c.err.Error(), "on local") {
			t.Errorf("%s: %q does not name the host", name, c.err)
		}
	}
}

func second2[T any](_ T, err error) error { return err }

func TestLogsAndCommandsComeBackWholeAndPlain(t *testing.T) {
	e := dockertest.Engine(t)
	ctx := t.Context()
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	printer := create(t, e, container.Spec{Image: image, Network: network, Cmd: []string{"print", "one", "\x1b[31mtwo\x1b[0m\x07", strings.Repeat("x", 20000), "four"}})
	if err := e.Start(ctx, printer); err != nil {
		t.Fatal(err)
	}
	var followed []string
	if err := e.FollowLogs(ctx, printer, 10, func(l string) { followed = append(followed, l) }); err != nil {
		t.Fatal(err)
	}
	if len(followed) != 4 || followed[1] != "two" || len(followed[2]) != 8<<10 || followed[3] != "four" {
		t.Errorf("followed %.60q", followed)
	}
	lines, err := e.Logs(ctx, printer, 2)
	if err != nil || len(lines) != 2 || lines[1] != "four" {
		t.Errorf("last two lines: %.60q, %v", lines, err)
	}

	sleeper := create(t, e, container.Spec{Image: image, Network: network})
	if err := e.Start(ctx, sleeper); err != nil {
		t.Fatal(err)
	}
	r, err := e.Exec(ctx, sleeper, []string{"/toy", "echo"}, strings.NewReader("to and fro"))
	if err != nil || r.Stdout != "to and fro" || r.ExitCode != 0 {
		t.Errorf("echo: %+v, %v", r, err)
	}
	r, err = e.Exec(ctx, sleeper, []string{"/toy", "fail", "no luck"}, nil)
	if err != nil || r.Stderr != "no luck\n" || r.ExitCode != 3 {
		t.Errorf("fail: %+v, %v", r, err)
	}
	soon, cancel := context.WithTimeoutCause(ctx, 300*time.Millisecond, errors.New("the caller's reason"))
	defer cancel()
	if _, err = e.Exec(soon, sleeper, []string{"/toy", "sleep"}, nil); err == nil || !strings.Contains(err.Error(), "the caller's reason") {
		t.Errorf("a command that hangs: %v", err)
	}
}

func TestEventsTellOfADeath(t *testing.T) {
	e := dockertest.Engine(t)
	network := dockertest.Network(t, e)
	image := dockertest.Image(t, e, dockertest.Config{Entrypoint: []string{"/toy"}})
	label := map[string]string{"fairlead-test": network}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("no event came"))
	defer cancel()
	events := make(chan docker.Event, 64)
	following := make(chan error, 1)
	go func() { following <- e.Events(ctx, label, func(ev docker.Event) { events <- ev }) }()
	// Containers end until one is seen: the stream says nothing when it opens.
	dead := func() docker.Event {
		for i := 0; ; i++ {
			id := create(t, e, container.Spec{Image: image, Network: network, Labels: label, Cmd: []string{"exit", "7"}})
			if err := e.Start(ctx, id); err != nil {
				t.Fatal(err)
			}
			for {
				if o, err := e.Inspect(ctx, id); err != nil {
					t.Fatal(err)
				} else if o.State.Status == container.Exited {
					break
				}
			}
			for len(events) > 0 {
				if ev := <-events; ev.Action == "die" {
					return ev
				}
			}
		}
	}()
	if dead.ExitCode != "7" || dead.Labels["fairlead-test"] != network {
		t.Errorf("the event is %+v", dead)
	}
	cancel()
	if err := <-following; !errors.Is(err, context.Canceled) {
		t.Errorf("a followed stream ends with %v", err)
	}
}

func TestInfoDescribesTheMachine(t *testing.T) {
	info, err := dockertest.Engine(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.OS != "linux" || info.APIVersion == "" || info.Arch == "x86_64" || info.CgroupVersion == "" {
		t.Errorf("%+v", info)
	}
}
