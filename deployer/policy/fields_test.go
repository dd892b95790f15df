package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// inside are the fields of a container.Spec that stay in the container, or
// limit it. Whoever adds a field to Spec decides: here, or in powers.
const inside = `Image ImageID ImageDigest Cmd Entrypoint Env User WorkingDir TTY OpenStdin
	Mounts.Target Mounts.ReadOnly Mounts.MustExist Tmpfs StorageOpt NetworkAliases IP
	Ports.HostIP Ports.Port Ports.Protocol Expose Hostname Domainname ExtraHosts DNS DNSSearch DNSOptions
	Restart Health StopTimeout StopSignal Init Resources Ulimits 
	Security.ReadOnlyRootfs Security.CapDrop Security.GroupAdd`

func TestEveryFieldOfAContainerIsJudgedOrStaysInside(t *testing.T) {
	var s container.Spec
	s.Mounts, s.Ports = []container.Mount{{Kind: container.Volume}}, []container.Port{{}}
	blank := len(powers(s))
	count := 0
	walk(reflect.ValueOf(&s).Elem(), "", func(path string, v reflect.Value) {
		count++
		before := reflect.New(v.Type()).Elem()
		before.Set(v)
		set(v)
		if hostile := map[string]string{"Mounts.Source": "/", "Mounts.Mode": "shared"}[path]; hostile != "" {
			v.SetString(hostile)
		}
		judged := len(powers(s)) > blank
		if stays := slices.Contains(strings.Fields(inside), path); judged == stays {
			t.Errorf("%s: judged is %v, inside is %v", path, judged, stays)
		}
		v.Set(before)
	})
	if count < 50 {
		t.Errorf("only %d fields were looked at", count)
	}
}

// walk visits the fields of a Spec, those of Security, Mounts, Ports and Log
// one by one.
func walk(v reflect.Value, path string, visit func(string, reflect.Value)) {
	for i := range v.NumField() {
		f, name := v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, ".")
		switch f.Interface().(type) {
		case container.Security, container.Log:
			walk(f, name, visit)
		case []container.Mount, []container.Port:
			walk(f.Index(0), name, visit)
		default:
			visit(name, f)
		}
	}
}

// set gives a field a value that asks for as much as it can.
func set(v reflect.Value) {
	switch v.Interface().(type) {
	case secret.Value:
		return
	case container.MountKind:
		v.Set(reflect.ValueOf(container.Bind))
		return
	case map[string]string:
		v.Set(reflect.ValueOf(map[string]string{"service": "host"}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("host")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint16:
		v.SetUint(22)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i))
		}
	}
}
