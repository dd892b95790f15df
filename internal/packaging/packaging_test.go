package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func parts() Parts {
	return Parts{Version: "v1.2.3", License: []byte("MIT\n"), Readme: []byte("# Fairlead\n"),
		Completions: map[string][]byte{"bash": []byte("b\n"), "zsh": []byte("z\n"), "fish": []byte("f\n")}}
}

func TestTheSameInputMakesTheSameBytes(t *testing.T) {
	prog := Program{OS: "linux", Arch: "amd64", Content: []byte("program")}
	at := time.Unix(1_700_000_000, 123)
	make := func() ([]byte, []byte) {
		archive, err := TarGz(parts().Archive(prog), "", at)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parts().Deb(prog)
		if err != nil {
			t.Fatal(err)
		}
		deb, err := d.Build(at)
		if err != nil {
			t.Fatal(err)
		}
		return archive, deb
	}
	archive, deb := make()
	for range 5 { // maps are walked in another order each time
		a, d := make()
		if !bytes.Equal(a, archive) || !bytes.Equal(d, deb) {
			t.Fatal("other bytes")
		}
	}
}

func TestVersionsSortAsTheyShould(t *testing.T) {
	for version, want := range map[string]string{"v1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3~rc.1", "v1.0.0-a-b": "1.0.0~a.b"} {
		if got, err := DebVersion(version); err != nil || got != want {
			t.Errorf("%s: %s %v", version, got, err)
		}
	}
	for _, bad := range []string{"", "dev", "v", "v1.0 0", "v1/2"} {
		if got, err := DebVersion(bad); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
	if err := exec.CommandContext(t.Context(), "dpkg", "--compare-versions", "1.2.3~rc.1", "lt", "1.2.3").Run(); err != nil {
		t.Error(err)
	}
}

func TestAProgramThatIsTooBigOrNotStaticIsRefused(t *testing.T) {
	dir := t.TempDir()
	shell, err := os.ReadFile("/bin/sh") // needs libc
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		prog Program
		want string
	}{
		"too big":    {Program{"darwin", "arm64", make([]byte, MaxProgram+1)}, "40 are allowed"},
		"not static": {Program{"linux", "amd64", shell}, "not static"},
		"no program": {Program{"linux", "amd64", []byte("text")}, "read program"},
	} {
		if _, err := parts().Write(dir, test.prog, time.Unix(1, 0)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}

func TestMacsGetNoUnit(t *testing.T) {
	for _, f := range parts().Archive(Program{OS: "darwin", Arch: "arm64"}) {
		if strings.HasSuffix(f.Path, ".service") {
			t.Error(f.Path)
		}
	}
}

func TestTheScriptsAreShell(t *testing.T) {
	for name, text := range map[string]string{"postinst": postinst, "prerm": prerm, "postrm": postrm} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
