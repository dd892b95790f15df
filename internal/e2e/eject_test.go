package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// shell runs a line as Kamal does: in the login shell of the ssh user.
func (s *scenario) shell(line string) string {
	s.Helper()
	out, err := s.hosts[0].SSH(s.Context(), line)
	if err != nil {
		s.Errorf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(out)
}

func TestAfterEjectKamalsOwnCommandsFindWhatTheyExpect(t *testing.T) {
	t.Parallel()
	s := begin(t, "ejected")
	s.onNewHost()
	s.mirrored()
	s.operator["registries"] = strings.TrimSuffix(s.operator["registries"], "}") + `, "` + shared.fleet.Registry + `": { insecure: true } }`
	// The command line of kamal-proxy is that of our program, which stands in
	// for it: the image itself cannot be had here.
	_, err := shared.fleet.Push(t.Context(), fleet.Image{
		Binary: shared.program, Path: "/usr/local/bin/kamal-proxy", Cmd: []string{"kamal-proxy", "run"}, Dir: "/",
		Env: map[string]string{"PATH": "/usr/local/bin"}, Labels: map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
	}, "basecamp/kamal-proxy:v0.9.2")
	s.do(err)
	s.styled("v1")
	s.styled("v2")
	s.clearBeside(s.hosts[0], "side")
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nTOKEN='a \"b\" \\ $c é'\nSIDE_TOKEN='of the side'\n")
	file := func(version string) yml {
		return s.file(version).with("env", "{ clear: { WORDS: two words }, secret: [TOKEN] }").
			with("asset_path", "/app/assets").with("error_pages_path", "public").
			with("accessories", "{ side: { image: "+s.service+":v1, host: "+s.hosts[0].Addr+", env: { secret: [SIDE_TOKEN] }, registry: { server: "+
				shared.fleet.Registry+", username: "+registryUser+", password: [REGISTRY_PASSWORD] } } }").
			with("servers", "{ web: ["+s.hosts[0].Addr+"], worker: { hosts: ["+s.hosts[0].Addr+"], proxy: false } }").with("readiness_delay", "1")
	}
	s.start()
	pushed := func(version string) string {
		return s.pushFiles(map[string]string{"config/deploy.yml": file(version).String(), "public/503.html": "closed"})
	}
	s.ends(pushed("v1"), release.Succeeded)
	s.ends(pushed("v2"), release.Succeeded)
	same := s.shell("docker ps -q --no-trunc --filter label=service=" + s.service)
	out, status := s.types("eject", "-y")
	if gap := regexp.MustCompile(`connections were refused for at most [0-9.]+m?s`); status != 0 || !gap.MatchString(out) {
		t.Fatalf("eject ends with %d and says\n%s", status, out)
	}
	t.Log(out)
	s.answers("v2")

	image := shared.fleet.Registry + "/" + s.service
	// Each line is what Kamal 2.12 asks (reference: lib/kamal/commands), and what
	// it has to hear.
	labels := "--filter label=service=" + s.service + " --filter label=destination= --filter label=role="
	for line, want := range map[string]string{
		// No container of the service was touched.
		"docker ps -q --no-trunc --filter label=service=" + s.service: same,
		// app version: what runs of the image that latest is, else the newest that runs.
		"docker ps --latest --format '{{.Names}}' " + labels + "web --filter status=running --filter ancestor=$(docker image ls --filter reference=" + image + ":latest --format '{{.ID}}')":    s.service + "-web-v2",
		"docker ps --latest --format '{{.Names}}' " + labels + "worker --filter status=running --filter ancestor=$(docker image ls --filter reference=" + image + ":latest --format '{{.ID}}')": s.service + "-worker-v2",
		// rollback: the container of that version, running or not.
		"docker container ls --all --filter name=^" + s.service + "-web-v1$ --format '{{.Names}} {{.State}}'":                                                                                                                     s.service + "-web-v1 exited",
		"docker container ls --all --filter name=^" + s.service + "-worker-v1$ --format '{{.Names}} {{.State}}'":                                                                                                                  s.service + "-worker-v1 exited",
		"docker image ls --filter reference=" + image + ":v1 --format '{{.Tag}}'":                                                                                                                                                 "v1",
		"docker inspect " + s.service + "-web-v2 --format '{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}'":                                                                                                       "kamal unless-stopped",
		"docker inspect " + s.service + `-web-v2 --format '{{range .Config.Env}}{{println .}}{{end}}' | grep -c -e ^KAMAL_CONTAINER_NAME=` + s.service + `-web-v2$ -e ^KAMAL_VERSION=v2$ -e ^KAMAL_HOST=` + s.hosts[0].Addr + `$`: "3",
		// The proxy: name, image (v0.9.2 is the least that it accepts), volume, label, network, ports, route.
		"docker inspect kamal-proxy --format '{{.Config.Image}}' | awk -F: '{print $NF}'":                                       "v0.9.2",
		"docker ps --filter name=^kamal-proxy$ --filter label=org.opencontainers.image.title=kamal-proxy --format '{{.Image}}'": "basecamp/kamal-proxy:v0.9.2",
		"docker inspect kamal-proxy --format '{{.HostConfig.NetworkMode}} {{.HostConfig.RestartPolicy.Name}}'":                  "kamal unless-stopped",
		`docker inspect kamal-proxy --format '{{range .Mounts}}{{println .Type .Destination}}{{end}}' | sort | tr -s '\n' ' '`:  "bind /home/kamal-proxy/.apps-config volume /home/kamal-proxy/.config/kamal-proxy",
		"docker exec kamal-proxy kamal-proxy list | grep -c " + s.service + "-web":                                              "1",
		"docker ps -aq --filter name=kamal-proxy_ | wc -l":                                                                      "0",
		// Files: secret variables as its one-off containers get them, folders, and a lock that is free.
		"stat -c '%a %n' .kamal/apps/" + s.service + "/env/roles/*.env":                           "600 .kamal/apps/" + s.service + "/env/roles/web.env\n600 .kamal/apps/" + s.service + "/env/roles/worker.env",
		"mkdir .kamal/lock-" + s.service + " && rmdir .kamal/lock-" + s.service + " && echo free": "free",
		// app exec: a one-off container of latest with that file, whose one line means what the container has.
		`grep ^TOKEN= .kamal/apps/` + s.service + `/env/roles/web.env`: `TOKEN=a "b" \\ $c é`,
		// accessory exec: the same of an accessory, whose container has its name and label.
		"cd .kamal/apps/" + s.service + "/env/accessories && stat -c '%a %n' * && cat *":                                                       "600 side.env\nSIDE_TOKEN=of the side",
		"docker ps --filter label=service=" + s.service + "-side --format '{{.Names}} {{.Networks}}'":                                          s.service + "-side kamal",
		"docker run --rm --env-file .kamal/apps/" + s.service + "/env/accessories/side.env " + image + ":latest cat /app/assets/manifest.json": "of v2",
		// deploy: what it bridges assets from, where it puts error pages, how it logs, and what latest is.
		"cd .kamal/apps/" + s.service + "/assets && ls -d */*/ | tr '\n' ' '":                                                                       "extracted/web-v1/ extracted/web-v2/ volumes/web-v1/ volumes/web-v2/",
		`docker inspect ` + s.service + `-web-v2 --format '{{range .Mounts}}{{.Source}} {{.Destination}}{{end}}'`:                                   "/root/.kamal/apps/" + s.service + "/assets/volumes/web-v2 /app/assets",
		"cat .kamal/proxy/apps-config/" + s.service + "/error_pages/*/503.html":                                                                     "closed",
		"docker inspect " + s.service + "-web-v2 --format '{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}'":                        "json-file map[max-size:10m]",
		"docker image inspect --format '{{.Id}}' " + image + ":latest " + image + ":v2 | uniq | wc -l":                                              "1",
		"docker inspect " + s.service + "-worker-v2 --format '{{.Config.Labels.service}} {{.Config.Labels.role}} {{len .HostConfig.PortBindings}}'": s.service + " worker 0",
		"docker image inspect --format '{{.Id}}' " + image + ":v1 " + image + ":v2 | uniq | wc -l":                                                  "2",
	} {
		if got := s.shell(line); got != want {
			t.Errorf("%s\nsays\n%s\nwant\n%s", line, got, want)
		}
	}

	// What Kamal does next is not undone: its rollback, command by command.
	for _, line := range []string{
		"mkdir .kamal/lock-" + s.service,
		"docker rename " + s.service + "-web-v1 " + s.service + "-web-v1_replaced_0123456789abcdef",
		"docker run --detach --restart unless-stopped --name " + s.service + "-web-v1 --network kamal --hostname h-0123456789ab" +
			" --env-file .kamal/apps/" + s.service + "/env/roles/web.env --env KAMAL_CONTAINER_NAME=" + s.service + "-web-v1 --env KAMAL_VERSION=v1" +
			" --label service=" + s.service + " --label role=web --label destination= " + image + ":v1",
		"docker exec kamal-proxy kamal-proxy deploy " + s.service + "-web --target=$(docker ps -q --filter name=^" + s.service + "-web-v1$):80" +
			" --host=" + s.host() + " --deploy-timeout=20s --drain-timeout=10s --health-check-interval=1s --health-check-timeout=2s" +
			" --health-check-path=/up --target-timeout=30s --buffer-requests --buffer-responses --forward-headers",
		"docker stop " + s.service + "-web-v2",
		"docker tag " + image + ":v1 " + image + ":latest",
		"rmdir .kamal/lock-" + s.service,
	} {
		s.shell(line)
	}
	s.answers("v1")
	since := s.clock()
	sha := s.push(file("v2").with("labels", "{ changed: yes }"))
	s.until("the commit is seen", func() bool { out, _ := s.types("status"); return strings.Contains(out, sha[:7]) })
	s.says(0, "eject", "status")
	s.untouchedSince(since)
	s.answers("v1")
	s.says(0, "", "eject", "-y")
	s.answers("v1")
}
