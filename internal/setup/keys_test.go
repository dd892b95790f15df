package setup

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestAKeyIsMadeOnceAndPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "id")
	first, err := EnsureKey(file, "c", rand.Reader)
	if err != nil || !first.Made {
		t.Fatalf("%+v %v", first, err)
	}
	again, err := EnsureKey(file, "c", rand.Reader)
	if err != nil || again.Made || again.Line != first.Line {
		t.Fatalf("%+v %v", again, err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(first.Line))
	if err != nil || public.Type() != ssh.KeyAlgoED25519 {
		t.Fatalf("%v %v", public, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureKey(file, "c", rand.Reader); err == nil {
		t.Fatal("a key that others may read was taken")
	}
}

func TestAFileThatIsNoKeyIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "id")
	writeText(t, file, "no key")
	if _, err := EnsureKey(file, "c", rand.Reader); err == nil || readText(t, file) != "no key" {
		t.Fatalf("%v", err)
	}
}
