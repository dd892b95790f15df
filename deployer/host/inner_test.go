package host

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

const (
	long  = "8f2c0d3b5e6a7c1d8f2c0d3b5e6a7c1d8f2c0d3b5e6a7c1d8f2c0d3b5e6a7c1d"
	other = "1111111111111111111111111111111111111111111111111111111111111111"
)

func TestWhereAContainersIDIsFound(t *testing.T) {
	docker := "36 35 0:30 / / rw - overlay overlay rw\n" +
		"690 680 8:1 /var/lib/docker/containers/" + long + "/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw\n" +
		"691 680 8:1 /var/lib/docker/containers/" + long + "/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw\n"
	for name, c := range map[string]struct {
		hostname, mounts, want string
	}{
		"a machine":                              {"web-1", "36 35 8:1 / / rw - ext4 /dev/sda1 rw\n", ""},
		"Docker":                                 {long[:12], docker, long + " " + long[:12]},
		"Docker with a name of one's own":        {"fairlead", docker, long},
		"only the host name":                     {"0123456789ab", "", "0123456789ab"},
		"a host name that only looks like one":   {"0123456789AB", "", ""},
		"Podman":                                 {"x", "1 2 0:1 /containers/storage/overlay-containers/" + long + "/userdata/hostname /etc/hostname rw - tmpfs x rw\n", long},
		"an engine in a container's volume":      {"x", "1 2 8:1 /docker/volumes/" + other + "/_data/containers/" + long + "/hosts /etc/hosts rw - ext4 x rw\n", other + " " + long},
		"a container's folder that is elsewhere": {"x", "1 2 8:1 /var/lib/docker/containers/" + long + "/x /mnt rw - ext4 x rw\n", ""},
	} {
		if got := strings.Join(selfIDs(c.hostname, []byte(c.mounts)), " "); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func FuzzSelfIDs(f *testing.F) {
	f.Add("0123456789ab", []byte("1 2 8:1 /containers/"+long+"/hostname /etc/hostname rw - ext4 x rw\n"))
	f.Fuzz(func(t *testing.T, hostname string, mounts []byte) {
		ids := selfIDs(hostname, mounts)
		if len(ids) > maxSelf {
			t.Errorf("%d ids", len(ids))
		}
		for _, id := range ids {
			if len(id) != 12 && len(id) != 64 || !isHex(id) {
				t.Errorf("%q", id)
			}
		}
	})
}

func TestWhereAFolderOfTheHostIsMounted(t *testing.T) {
	bind := func(from, to string) container.Mount {
		return container.Mount{Kind: container.Bind, Source: from, Target: to}
	}
	readOnly := bind("/home/deploy/.kamal", "/k")
	readOnly.ReadOnly = true
	mounts := []container.Mount{bind("/home", "/outer"), bind("/home/deploy/apps", "/apps"), {Kind: container.Volume, Source: "/srv", Target: "/srv"}, readOnly}
	for folder, want := range map[string]string{
		"/home/deploy": "/outer/deploy", "/home": "/outer", "/home/deploy/apps/x": "/apps/x", "/homes": "", "/srv": "", "/": "", "/home/deploy/.kamal": "",
	} {
		if got := mountedAt(mounts, folder); got != want {
			t.Errorf("%s is at %q, want %q", folder, got, want)
		}
	}
}

func TestWhichAddressesAreNear(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:80": true, "127.9.9.9:80": true, "localhost:80": true, "[2001:db8::1]:80": false, "no address": true} {
		if near(address) != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
}

func TestThatThereIsNoRouteIsFoundOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	h := &Host{name: "local"}
	conn, err := h.dialStrange(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.dialStrange(cancelled, "tcp", address); err == nil || errors.Is(err, ErrNoRoute) || h.noRoute.Load() {
		t.Errorf("the caller left: %v", err)
	}
	_ = l.Close() // as a firewall refuses
	if _, err := h.dialStrange(t.Context(), "tcp", address); !errors.Is(err, ErrNoRoute) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if _, err := h.dialStrange(t.Context(), "tcp", address); !errors.Is(err, ErrNoRoute) || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled again: %v", err)
	}
}
