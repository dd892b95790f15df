package container_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// fill sets a value to something that is not its default.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case secret.Value:
		v.Set(reflect.ValueOf(secret.New("secret")))
		return
	case time.Duration:
		v.Set(reflect.ValueOf(77 * time.Second))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("something")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(77)
	case reflect.Uint16:
		v.SetUint(77)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("fill does not know " + v.Kind().String())
	}
}

// base has one entry in each field, so that the fields of entries can differ.
func base() container.Spec {
	return container.Spec{
		Health: &container.Healthcheck{Test: []string{"CMD", "x"}}, Mounts: []container.Mount{{Kind: container.Bind, Source: "/a", Target: "/b"}},
		Ports: []container.Port{{Port: 80, HostPort: 8080}}, Ulimits: []container.Ulimit{{Name: "nofile"}},
		Devices: []container.Device{{Host: "/dev/null"}}, Restart: container.Restart{Policy: "on-failure"},
	}
}

// leaves visits each field of a spec down to what has no fields.
func leaves(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[secret.Value]():
		for i := range v.NumField() {
			leaves(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), visit)
		}
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		leaves(v.Elem(), path, visit)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		leaves(v.Index(0), path, visit)
	default:
		visit(path, v)
	}
}

func TestEveryFieldOfASpecIsCompared(t *testing.T) {
	// What kernels discard is seen only where a container has it, and what an
	// engine fills in only where it is wanted; see Diff.
	onlyHad := []string{"Resources.Swappiness", "Resources.OOMKillDisable", "Resources.BlkioWeight"}
	never := []string{"Mounts.MustExist"}
	count := 0
	changed, blank := base(), base()
	leaves(reflect.ValueOf(&changed).Elem(), "", func(path string, v reflect.Value) {
		count++
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		fill(v)
		want, have := changed, blank
		if strings.HasPrefix(path, "Image") { // compared where both sides have it
			have.ImageID, have.ImageDigest = "sha256:other", "sha256:other"
			if path == "Image" {
				have.ImageID, have.ImageDigest = "", ""
			}
		}
		if slices.Contains(onlyHad, path) {
			want, have = have, want
		}
		if seen := len(container.Diff(want, have, nil)) > 0; seen == slices.Contains(never, path) {
			t.Errorf("%s: seen is %v", path, seen)
		}
		v.Set(before)
	})
	if count < 70 {
		t.Errorf("only %d fields were visited", count)
	}
}

func TestEqualSpecsDifferInNothing(t *testing.T) {
	full := base()
	fill(reflect.ValueOf(&full).Elem())
	if changes := container.Diff(full, full, nil); len(changes) > 0 {
		t.Error(changes)
	}
	if changes := container.Diff(container.Spec{}, container.Spec{}, nil); len(changes) > 0 {
		t.Error(changes)
	}
}

func TestASecretIsComparedAndNeverShown(t *testing.T) {
	spec := func(v string) container.Spec {
		return container.Spec{Env: map[string]secret.Value{"KEY": secret.New(v), "CLEAR": secret.New(v)}}
	}
	got := container.Diff(spec("hunter2"), spec("hunter1"), func(name string) bool { return name == "CLEAR" })
	want := []container.Change{{Field: "env.CLEAR", Was: "hunter1", Want: "hunter2"}, {Field: "env.KEY", Was: secret.Redacted, Want: secret.Redacted}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if shown := fmt.Sprint(container.Diff(spec("hunter2"), container.Spec{}, nil)); strings.Contains(shown, "hunter") {
		t.Error(shown)
	}
}

func TestWhatTheImageSetsIsNoDifference(t *testing.T) {
	d := container.Defaults{Entrypoint: []string{"/e"}, Cmd: []string{"c"}, Env: map[string]string{"A": "1"}, User: "app", WorkingDir: "/w",
		Labels: map[string]string{"l": "1"}, StopSignal: "SIGQUIT", Volumes: []string{"/v"}, Expose: []string{"80/tcp"},
		Health: &container.Healthcheck{Test: []string{"CMD", "x"}, Retries: 5}}
	env := func(v string) map[string]secret.Value { return map[string]secret.Value{"A": secret.New(v)} }
	o := container.Observed{Image: container.ImageFacts{Defaults: d}}
	for name, c := range map[string]struct {
		want, raw container.Spec // raw: as an engine shows it
		same      bool
	}{
		"nothing set":            {container.Spec{}, container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Env: env("1"), User: "app", StopSignal: "QUIT"}, true},
		"all set as the image":   {container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Env: env("1"), Labels: d.Labels, Health: &container.Healthcheck{Retries: 5}}, container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Env: env("1"), Labels: d.Labels, Health: d.Health}, true},
		"another env":            {container.Spec{}, container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Env: env("2")}, false},
		"cmd dropped":            {container.Spec{}, container.Spec{Entrypoint: d.Entrypoint}, false},
		"cmd dropped by wish":    {container.Spec{Entrypoint: d.Entrypoint}, container.Spec{Entrypoint: d.Entrypoint}, true},
		"another cmd":            {container.Spec{Cmd: []string{"x"}}, container.Spec{Entrypoint: d.Entrypoint, Cmd: []string{"x"}}, true},
		"no health check":        {container.Spec{Health: &container.Healthcheck{Disabled: true}}, container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Health: &container.Healthcheck{Disabled: true}}, true},
		"health check came back": {container.Spec{}, container.Spec{Entrypoint: d.Entrypoint, Cmd: d.Cmd, Health: &container.Healthcheck{Disabled: true}}, false},
	} {
		o.Spec = d.Without(c.raw)
		if changes := o.Diff(c.want, nil); len(changes) == 0 != c.same {
			t.Errorf("%s: %v", name, changes)
		}
		if once := d.Without(c.raw); len(container.Diff(d.Without(once), once, nil)) > 0 {
			t.Errorf("%s: Without is not idempotent", name)
		}
	}
}

func TestAContainerKeepsTheLabelsByWhichItIsFoundThoughItsImageHasThemToo(t *testing.T) {
	d := container.Defaults{Labels: map[string]string{"service": "shop", "vendor": "acme"}}
	s := container.Spec{Labels: map[string]string{"service": "shop", "role": "web", "vendor": "acme"}}
	if got := d.Without(s).Labels; !maps.Equal(got, map[string]string{"service": "shop", "role": "web"}) {
		t.Errorf("the labels are %v", got)
	}
}

func TestImagesAreComparedByTheStrongestNameBothHave(t *testing.T) {
	o := container.Observed{Spec: container.Spec{Image: "shop:1", ImageID: "sha256:a", ImageDigest: "sha256:d1"},
		Image: container.ImageFacts{RepoDigests: []string{"shop@sha256:d1", "mirror/shop@sha256:d2"}}}
	for name, c := range map[string]struct {
		want container.Spec
		same bool
	}{
		"same reference":             {container.Spec{Image: "shop:1"}, true},
		"other reference, same id":   {container.Spec{Image: "shop:2", ImageID: "sha256:a"}, true},
		"tag moved":                  {container.Spec{Image: "shop:1", ImageDigest: "sha256:d3"}, false},
		"digest of another registry": {container.Spec{Image: "mirror/shop:1", ImageDigest: "sha256:d2"}, true},
		"other id":                   {container.Spec{Image: "shop:1", ImageID: "sha256:b"}, false},
	} {
		if changes := o.Diff(c.want, nil); len(changes) == 0 != c.same {
			t.Errorf("%s: %v", name, changes)
		}
	}
}

func TestALimitThatTheKernelIgnoresIsNoDifference(t *testing.T) {
	o := container.Observed{Spec: container.Spec{Resources: container.Resources{Memory: 1 << 20, MemorySwap: -1}}, Ignored: container.Ignored{Swap: true}}
	if changes := o.Diff(container.Spec{Resources: container.Resources{Memory: 1 << 20}}, nil); len(changes) > 0 {
		t.Error(changes)
	}
}

func TestSizesReadAsDockerReadsThem(t *testing.T) {
	for text, want := range map[string]int64{"512m": 512 << 20, "1.5g": 3 << 29, "64MiB": 64 << 20, "100kb": 100 << 10, "7": 7, "7b": 7, "-1": -1, "1 g": 1 << 30} {
		if got, err := container.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "m", "-5m", "1x", "1e3", "0x10", "NaN", "1_0", "99999999999g", "1mm"} {
		if got, err := container.ParseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestVolumesAndPortsReadAsDockerReadsThem(t *testing.T) {
	for text, want := range map[string]container.Mount{
		"/a:/b":       {Kind: container.Bind, Source: "/a", Target: "/b"},
		"data:/b:ro":  {Kind: container.Volume, Source: "data", Target: "/b", ReadOnly: true},
		"/b":          {Kind: container.Volume, Target: "/b"},
		"./a:/b:ro,z": {Kind: container.Bind, Source: "./a", Target: "/b", ReadOnly: true, Mode: "z"},
	} {
		if got, err := container.ParseVolume(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "b", "a:b", ":/b", "/a:/b:ro:x", "/a:/b:rx"} {
		if _, err := container.ParseVolume(text); err == nil {
			t.Errorf("volume %q was taken", text)
		}
	}
	for text, want := range map[string][]container.Port{
		"80":                  {{Port: 80}},
		"8080:80/udp":         {{HostPort: 8080, Port: 80, Protocol: "udp"}},
		"127.0.0.1:8080:80":   {{HostIP: "127.0.0.1", HostPort: 8080, Port: 80}},
		"127.0.0.1::80":       {{HostIP: "127.0.0.1", Port: 80}},
		"[::1]:8080:80":       {{HostIP: "::1", HostPort: 8080, Port: 80}},
		"8000-8001:80-81/tcp": {{HostPort: 8000, Port: 80, Protocol: "tcp"}, {HostPort: 8001, Port: 81, Protocol: "tcp"}},
	} {
		if got, err := container.ParsePort(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "x", "80/icmp", "1:2:3", "8000-8002:80-81", "70000", "82-80"} {
		if _, err := container.ParsePort(text); err == nil {
			t.Errorf("port %q was taken", text)
		}
	}
}

func TestAllWrongOptionsAreNamed(t *testing.T) {
	err := container.ApplyOptions(&container.Spec{}, map[string][]string{"memroy": {"1g"}, "memory": {"lots"}, "rm": {"true"}, "restart": {"sometimes"},
		"ulimit": {"nofile"}, "mount": {"type=bind,target=x"}, "device": {"null"}, "gpus": {"few"}, "init": {"maybe"}, "cpus": {"-1"}})
	if !errors.Is(err, container.ErrUnknownOption) {
		t.Error(err)
	}
	for _, name := range []string{"memroy", "memory", "rm", "restart", "ulimit", "mount", "device", "gpus", "init", "cpus"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"8080:80/tcp", "[::1]:1-2:3-4", "/a:/b:ro,z", "data:/b", "1.5g", "type=tmpfs,target=/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := container.ParseSize(s); err == nil && n < -1 {
			t.Errorf("%q is %d bytes", s, n)
		}
		if m, err := container.ParseVolume(s); err == nil && !strings.HasPrefix(m.Target, "/") {
			t.Errorf("%q has target %q", s, m.Target)
		}
		ports, err := container.ParsePort(s)
		for _, p := range ports {
			if err != nil || p.Port == 0 {
				t.Errorf("%q: %+v, %v", s, p, err)
			}
		}
		_ = container.ApplyOptions(&container.Spec{}, map[string][]string{"mount": {s}, "ulimit": {s}, "device": {s}, "publish": {s}})
	})
}
