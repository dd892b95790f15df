// Package filestest is what every door to a host's files must do.
//
// Lives here: the suite. May not live here: anything that a program imports.
package filestest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/files"
)

// Run tests a door into an empty home folder.
func Run(t *testing.T, open func(t *testing.T) files.Door) {
	t.Run("a file is read back as it was written", func(t *testing.T) { readBack(t, open(t)) })
	t.Run("files and folders have the mode that was asked for", func(t *testing.T) { modes(t, open(t)) })
	t.Run("of many that make a folder one succeeds", func(t *testing.T) { exclusive(t, open(t)) })
	t.Run("of many that move a folder away one succeeds", func(t *testing.T) { takeover(t, open(t)) })
	t.Run("a folder takes the place of no other, be it empty", func(t *testing.T) { replaced(t, open(t)) })
	t.Run("a reader never sees half a file", func(t *testing.T) { atomicity(t, open(t)) })
	t.Run("folders come and go", func(t *testing.T) { folders(t, open(t)) })
	t.Run("what is not there is said so", func(t *testing.T) { missing(t, open(t)) })
	t.Run("nothing outside the home folder is touched", func(t *testing.T) { inside(t, open(t)) })
	t.Run("a call ends with its context", func(t *testing.T) { cancelled(t, open(t)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readBack(t *testing.T, d files.Door) {
	ctx := t.Context()
	for _, content := range [][]byte{nil, []byte("one"), bytes.Repeat([]byte("0123456789abcdef"), 20_000), []byte("shorter")} {
		must(t, d.Write(ctx, "a file", content, 0o600))
		got, err := d.Read(ctx, "a file")
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(content), err)
		}
		info, err := d.Stat(ctx, "a file")
		if err != nil || info.Size() != int64(len(content)) || info.Mode().Perm() != 0o600 || info.IsDir() {
			t.Errorf("%v, %v", info, err)
		}
	}
	must(t, d.Write(ctx, "large", make([]byte, files.MaxRead+1), 0o644))
	if _, err := d.Read(ctx, "large"); !errors.Is(err, files.ErrTooLarge) {
		t.Errorf("a large file: %v", err)
	}
	all, err := d.ReadDir(ctx, ".")
	if err != nil || len(all) != 2 || all[0].Name() != "a file" || all[1].Name() != "large" {
		t.Errorf("temporary files stayed: %v, %v", all, err)
	}
}

// modes asks for what no usual umask leaves.
func modes(t *testing.T, d files.Door) {
	ctx := t.Context()
	must(t, d.Mkdir(ctx, "one", 0o777))
	must(t, d.MkdirAll(ctx, "one/two/three", 0o777))
	must(t, d.Write(ctx, "one/file", []byte("x"), 0o666))
	for path, want := range map[string]fs.FileMode{"one": 0o777, "one/two": 0o777, "one/two/three": 0o777, "one/file": 0o666} {
		if info, err := d.Stat(ctx, path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v, %v, want %v", path, info, err, want)
		}
	}
}

func exclusive(t *testing.T, d files.Door) {
	ctx := t.Context()
	must(t, d.MkdirAll(ctx, ".kamal", 0o755))
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			switch err := d.Mkdir(ctx, ".kamal/lock-shop", 0o755); {
			case err == nil:
				made.Add(1)
			case errors.Is(err, fs.ErrExist):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || refused.Load() != 15 {
		t.Errorf("%d made it, %d were refused", made.Load(), refused.Load())
	}
}

func takeover(t *testing.T, d files.Door) {
	ctx := t.Context()
	must(t, d.MkdirAll(ctx, ".kamal/lock-shop", 0o755))
	must(t, d.Write(ctx, ".kamal/lock-shop/details", []byte("x"), 0o644))
	var moved, late atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := d.Rename(ctx, ".kamal/lock-shop", ".kamal/expired-"+string(rune('a'+i))); {
			case err == nil:
				moved.Add(1)
			case errors.Is(err, fs.ErrNotExist):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if moved.Load() != 1 || late.Load() != 7 {
		t.Errorf("%d moved it, %d were late", moved.Load(), late.Load())
	}
}

func replaced(t *testing.T, d files.Door) {
	ctx := t.Context()
	for _, dir := range []string{"old", "full", "empty"} {
		must(t, d.MkdirAll(ctx, ".kamal/"+dir, 0o755))
	}
	must(t, d.Write(ctx, ".kamal/old/mine", []byte("1"), 0o644))
	must(t, d.Write(ctx, ".kamal/full/theirs", []byte("2"), 0o644))
	for _, to := range []string{".kamal/full", ".kamal/empty"} {
		if err := d.Rename(ctx, ".kamal/old", to); !errors.Is(err, fs.ErrExist) {
			t.Errorf("onto %s: %v", to, err)
		}
	}
	for name, want := range map[string]string{".kamal/old/mine": "1", ".kamal/full/theirs": "2"} {
		if got, err := d.Read(ctx, name); err != nil || string(got) != want {
			t.Errorf("after a move that was refused %s is %q, %v", name, got, err)
		}
	}
}

func atomicity(t *testing.T, d files.Door) {
	ctx := t.Context()
	old, young := bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 100_000)
	must(t, d.Write(ctx, "state", old, 0o644))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 10 {
			if err := d.Write(ctx, "state", [][]byte{young, old}[i%2], 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	for range 10 {
		got, err := d.Read(ctx, "state")
		if err != nil || !bytes.Equal(got, old) && !bytes.Equal(got, young) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	wg.Wait()
}

func folders(t *testing.T, d files.Door) {
	ctx := t.Context()
	must(t, d.MkdirAll(ctx, "a/b/c", 0o700))
	must(t, d.MkdirAll(ctx, "a/b/c", 0o700))
	must(t, d.Write(ctx, "a/b/file", []byte("x"), 0o644))
	must(t, d.Rename(ctx, "a/b", "a/moved"))
	all, err := d.ReadDir(ctx, "a/moved")
	if err != nil || len(all) != 2 || all[0].Name() != "c" || !all[0].IsDir() {
		t.Errorf("%v, %v", all, err)
	}
	if err := d.MkdirAll(ctx, "a/moved/file/below", 0o755); err == nil {
		t.Error("a folder below a file was made")
	}
	must(t, d.RemoveAll(ctx, "a"))
	must(t, d.RemoveAll(ctx, "a"))
	if _, err := d.Stat(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed folder: %v", err)
	}
}

func missing(t *testing.T, d files.Door) {
	ctx := t.Context()
	_, read := d.Read(ctx, "none")
	_, stat := d.Stat(ctx, "none")
	_, list := d.ReadDir(ctx, "none")
	for name, err := range map[string]error{"read": read, "stat": stat, "list": list, "mkdir": d.Mkdir(ctx, "none/below", 0o755),
		"write": d.Write(ctx, "none/file", nil, 0o644), "rename": d.Rename(ctx, "none", "other")} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func inside(t *testing.T, d files.Door) {
	ctx := t.Context()
	for _, p := range []string{"/etc/passwd", "../x", "a/../../x", "", "a//b", "./a"} {
		_, err := d.Read(ctx, p)
		for _, err := range []error{err, d.Write(ctx, p, nil, 0o644), d.RemoveAll(ctx, p), d.Rename(ctx, "a", p), d.MkdirAll(ctx, p, 0o755)} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q: %v", p, err)
			}
		}
	}
	if err := d.RemoveAll(ctx, "."); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("removing the home folder: %v", err)
	}
}

func cancelled(t *testing.T, d files.Door) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller left"))
	if err := d.Mkdir(ctx, "x", 0o755); err == nil || !strings.Contains(err.Error(), "the caller left") {
		t.Error(err)
	}
}
