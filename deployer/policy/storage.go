package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// storage is about what a container sees of the host's files.
func storage(s container.Spec) (all []need) {
	for _, from := range s.VolumesFrom {
		all = append(all, need{what: fmt.Sprintf("all that the container %s mounts", from), words: []string{mounts}})
	}
	for _, m := range s.Mounts {
		all = append(all, mountNeeds(m)...)
	}
	return all
}

func mountNeeds(m container.Mount) (all []need) {
	// The engine reads SOURCE:TARGET:MODE from one text.
	if strings.Contains(m.Source+m.Target, ":") {
		return []need{{what: fmt.Sprintf("the colon in the mount %q at %q", m.Source, m.Target), hint: "choose another path"}}
	}
	for o := range strings.SplitSeq(m.Mode, ",") {
		if o == "shared" || o == "rshared" {
			all = append(all, need{what: "the mount option " + o + ", with which mounts come back to the host,", words: []string{mounts}})
		}
	}
	switch {
	case m.Kind == container.Volume && m.Source == "":
		return all
	case m.Kind == container.Volume && volumeName(m.Source):
		if m.Source == "kamal-proxy-config" || m.Source == "kamal-loadbalancer-config" {
			all = append(all, need{what: "the proxy's own volume " + m.Source, words: []string{mounts}})
		}
		return all
	}
	return append(all, folderNeeds(m.Source)...)
}

// volumeName knows the names of volumes; whatever else is called a volume is
// a path to the engine.
func volumeName(s string) bool {
	return !strings.ContainsAny(s, `/\~$`) && s != "." && s != ".."
}

// folderNeeds are those of a folder or file of the host. A path that is not
// absolute is below the ssh user's home, where also his keys are.
func folderNeeds(source string) []need {
	if !path.IsAbs(source) {
		return []need{{what: fmt.Sprintf("the folder %s in the ssh user's home", source), words: []string{mounts}}}
	}
	p := hostPath(source)
	if engineSocket(p) {
		return []need{{what: "the socket " + p + ", which commands the host,", words: []string{socket}, folder: p, exact: true}}
	}
	all := []need{{what: "the host's " + p, words: []string{mounts}, folder: p}}
	if holdsSockets(p) {
		all = append(all, need{what: "the engine's socket, which is below " + p + ",", words: []string{socket}})
	}
	return all
}

// hostPath gives a path of the host one form. That /var/run is /run holds on
// every Linux that has systemd (file-hierarchy(7)).
func hostPath(p string) string {
	p = path.Clean("/" + p)
	for _, legacy := range []string{"/var/run", "/var/lock"} {
		if p == legacy || below(p, legacy) {
			return hostPath(map[string]string{"/var/run": "/run", "/var/lock": "/run/lock"}[legacy] + strings.TrimPrefix(p, legacy))
		}
	}
	return p
}

// below tells whether a path is truly below a folder; both are clean.
func below(p, folder string) bool {
	return folder != "/" && strings.HasPrefix(p, folder+"/") || folder == "/" && p != "/"
}

// engineSocket knows the sockets through which containers, or the whole host,
// can be commanded.
func engineSocket(p string) bool {
	return slices.Contains(strings.Fields(`docker.sock docker-cli.sock docker.raw.sock dockerd.sock cri-dockerd.sock
		dockershim.sock containerd.sock containerd.sock.ttrpc buildkitd.sock podman.sock crio.sock
		system_bus_socket private`), path.Base(p)) && (path.Base(p) != "private" || p == "/run/systemd/private")
}

// holdsSockets knows the folders that such sockets are in.
func holdsSockets(p string) bool {
	return slices.Contains([]string{"/", "/run", "/run/docker", "/run/containerd", "/run/podman", "/run/crio", "/run/buildkit",
		"/run/dbus", "/run/systemd", "/run/user"}, p) || path.Dir(p) == "/run/user"
}
