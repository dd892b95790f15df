package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
	"github.com/fairlead-deploy/fairlead/store/storetest"
)

func openAt(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTheStoreKeepsItsContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return openAt(t, t.TempDir()) })
}

func TestTheFolderMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d&e#f%41ü")
	s := openAt(t, dir)
	if err := s.SaveLook(t.Context(), release.Look{Repo: "shop"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, store.FileName))
	if err != nil || info.Size() == 0 {
		t.Fatalf("the database is not in its folder: %v", err)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v", info.Mode(), err)
	}
}

func TestASecondDaemonIsToldWhoHasTheFolder(t *testing.T) {
	dir := t.TempDir()
	first := openAt(t, dir)
	_, err := store.Open(t.Context(), dir, store.Options{})
	locked, ok := errors.AsType[*store.LockedError](err)
	if !ok || locked.PID != os.Getpid() || !strings.Contains(err.Error(), "stop it") {
		t.Fatalf("second open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir)
}

func TestAFollowerIsToldThatTheStoreClosed(t *testing.T) {
	s := openAt(t, t.TempDir())
	told := make(chan error, 1)
	go func() { told <- s.Wait(t.Context(), 0) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, store.ErrClosed) {
		t.Errorf("while it waited: %v", err)
	}
	if err := s.Wait(t.Context(), 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}
