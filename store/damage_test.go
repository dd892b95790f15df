package store_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// filled makes a folder with a closed store that has some pages of content.
func filled(t *testing.T) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		r := release.Release{ID: release.ID(fmt.Sprintf("r%02d", i)), Lane: release.Lane{Service: "shop"}, Status: release.Succeeded,
			Reason: strings.Repeat("canary of the content ", 20)}
		if _, err := s.Save(t.Context(), r, release.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, store.FileName)
}

func TestADamagedDatabaseIsFoundWhenOpened(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"half of it is gone", func(b []byte) []byte { return b[:len(b)/2] }},
		{"all of it is gone", func([]byte) []byte { return nil }},
		{"a bit of the content flipped", func(b []byte) []byte { return flip(b, bytes.LastIndex(b, []byte("canary"))) }},
		{"a bit of a page's header flipped", func(b []byte) []byte { return flip(b, 2*4096) }},
		{"a page is zeroes", func(b []byte) []byte { clear(b[4096*10 : 4096*11]); return b }},
		{"the magic is gone", func(b []byte) []byte { return flip(b, 0) }},
		{"it is another kind of file", func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 1000)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, file := filled(t)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, test.damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), dir, store.Options{})
			if err == nil {
				t.Fatal("opened", s.Close())
			}
			if _, ok := errors.AsType[*store.CorruptError](err); !ok || !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "rebuild") {
				t.Fatalf("open: %v", err)
			}
			rebuilds(t, dir)
		})
	}
}

func rebuilds(t *testing.T, dir string) {
	t.Helper()
	s, aside, err := store.Rebuild(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := os.Stat(aside); err != nil {
		t.Errorf("the damaged file is not at %q: %v", aside, err)
	}
	if _, err := s.Save(t.Context(), release.Release{ID: "new", Status: release.Queued}, release.Event{}); err != nil {
		t.Error(err)
	}
}

// flip flips one bit at i.
func flip(b []byte, i int) []byte {
	b[i] ^= 1 << 2
	return b
}

// TestNoFlippedBitGoesUnseen flips one bit at each of many places of the file:
// either Open finds it, and says what to do, or everything reads as it was.
func TestNoFlippedBitGoesUnseen(t *testing.T) {
	dir, file := filled(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := everything(t, dir)
	found, places := 0, 0
	// A prime as step, so that all offsets within pages come up; the first page
	// has the file's header and its schema.
	for i := 0; i < len(whole); {
		places++
		if damaged(t, dir, flip(bytes.Clone(whole), i), want, fmt.Sprintf("a bit flipped at %d", i)) {
			found++
		}
		if i < 4096 {
			i += max(1, *stride/10)
		} else {
			i += *stride
		}
	}
	if found < places/4 { // the others are in room that nothing uses
		t.Errorf("only %d of %d flipped bits were found", found, places)
	}
	t.Logf("%d of %d flipped bits refused, the others changed nothing", found, places)
}

// TestNoCutGoesUnseen is the same of a file that ends too early, at and around
// the ends of its pages.
func TestNoCutGoesUnseen(t *testing.T) {
	dir, file := filled(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := everything(t, dir)
	places := 0
	for end := 0; end < len(whole); end += 2048 {
		for _, at := range []int{end - 1, end, end + 1} {
			if at < 0 {
				continue
			}
			places++
			if !damaged(t, dir, whole[:at], want, fmt.Sprintf("cut at %d", at)) {
				t.Errorf("cut at %d of %d bytes, it was opened", at, len(whole))
			}
		}
	}
	t.Logf("%d cuts, all refused", places)
}

var stride = flag.Int("store.stride", 397, "of the database's bytes every so many gets a flipped bit; 1 is all")

// damaged opens a folder with this as its database and tells whether it was
// refused, with the remedy; if it was not, everything must read as wanted.
func damaged(t *testing.T, dir string, content []byte, want, what string) (refused bool) {
	t.Helper()
	file := filepath.Join(dir, store.FileName)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(file + suffix); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if newer, ok := errors.AsType[*store.NewerError](err); ok && newer.Schema > 1 {
		return true // the bit is one of the schema's number
	}
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "fairlead watch --rebuild") {
			t.Errorf("%s: this error names no remedy: %v", what, err)
		}
		return true
	}
	if err := s.Close(); err != nil {
		t.Errorf("close after %s: %v", what, err)
	}
	if got := everything(t, dir); got != want {
		t.Errorf("%s changed the content unseen", what)
	}
	return false
}

// everything returns all releases and events as text.
func everything(t *testing.T, dir string) string {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	releases, err := s.Releases(t.Context(), store.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprint(&b, releases)
	for _, ev := range events {
		fmt.Fprint(&b, ev.Seq, ev.Kind, ev.Lane, ev.Message, ev.At, *ev.Release)
	}
	return b.String()
}

func TestAnEmptyFileIsANewDatabaseOnlyTheFirstTime(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, store.FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir) // killed while it was first made
}
