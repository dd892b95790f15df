package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func document(names ...string) Document {
	doc := Document{Version: Version}
	for _, name := range names {
		doc.Services = append(doc.Services, Service{Name: name, Targets: []string{name + ":80"}, Options: control.DefaultOptions(), State: control.Running})
	}
	return doc
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "new", "folder", "state.json")}
	if doc, err := f.Load(); err != nil || len(doc.Services) != 0 {
		t.Errorf("no file: %+v, %v", doc, err)
	}
	want := document("a", "b")
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
}

func TestAnUnreadableFileIsSetAside(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"version":1,"services":[{"na`, "empty": "", "another version": `{"version":99}`,
		"a field of the future": `{"version":1,"colour":"red"}`, "two documents": `{"version":1}{"version":1}`,
		"a service twice": `{"version":1,"services":[{"name":"a","targets":["x:1"]},{"name":"a","targets":["x:1"]}]}`,
	} {
		f := File{filepath.Join(t.TempDir(), "state.json")}
		if err := os.WriteFile(f.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Load(); !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), f.Path+".unreadable") {
			t.Errorf("%s: %v", name, err)
		}
		if kept, err := os.ReadFile(f.Path + ".unreadable"); err != nil || string(kept) != text {
			t.Errorf("%s: kept %q, %v", name, kept, err)
		}
		if doc, err := f.Load(); err != nil || len(doc.Services) != 0 {
			t.Errorf("%s: the next start: %+v, %v", name, doc, err)
		}
	}
}

func TestAFullDiskKeepsTheOldRoutesAndLeavesNoRubbish(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount a small disk (needs root): %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	}()
	f := File{filepath.Join(dir, "state.json")}
	want := document("kept")
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	many := document()
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		many.Services = append(many.Services, document(string(c)).Services...)
	}
	if err := f.Save(many); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("saved on a full disk: %v", err)
	}
	if got, err := f.Load(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left over: %v", entries)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(many); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestACrashAtAnyByteOfTheNewFileLosesNothing(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "state.json")}
	want := document("kept")
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	next, err := json.Marshal(document("next"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(next) { // what a crash before the rename leaves
		if err := os.WriteFile(f.Path+".new", next[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Load(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %+v, %v", cut, got, err)
		}
	}
	if err := f.Save(document("next")); err != nil {
		t.Errorf("save over what a crash left: %v", err)
	}
	if got, err := f.Load(); err != nil || !reflect.DeepEqual(got, document("next")) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range []Document{document(), document("a", "b")} {
		text, _ := json.Marshal(doc)
		f.Add(text)
	}
	f.Add([]byte(`{"version":1,"services":[{"name":"a","targets":["x"],"options":{"target_timeout":"-1x"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Decode(text)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		once, err := json.Marshal(doc)
		if err != nil {
			t.Fatalf("decoded, but not encoded: %v", err)
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("encoded, but not decoded: %v", err)
		}
		if twice, _ := json.Marshal(again); !bytes.Equal(once, twice) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}
