package backup_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	how "github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// engine stands for a container in which sh does what a test says.
type engine struct {
	run  func(text string, st docker.Streams) (int, error)
	left map[string]time.Time // files in /backups
	gone []string
	cut  bool // the connection is, before the end
}

func (e *engine) Attend(_ context.Context, _ string, argv, _ []string, st docker.Streams) (int, error) {
	switch argv[0] {
	case "sh":
		if len(argv) == 3 {
			return e.run(argv[2], st)
		}
		code, err := e.run(argv[3], st) // a dump, with a mark behind
		if err == nil && !e.cut {
			_, err = io.WriteString(st.Out, argv[4])
		}
		return code, err
	case "rm":
		e.gone = append(e.gone, argv[2])
	}
	return 0, nil
}

func (e *engine) CopyFrom(_ context.Context, _, path string, read func(io.Reader) error) error {
	if e.left == nil {
		return fmt.Errorf("%s: %w", path, docker.ErrNotFound)
	}
	in, out := io.Pipe()
	go func() {
		w := tar.NewWriter(out)
		for name, at := range e.left {
			_ = w.WriteHeader(&tar.Header{Name: "backups/" + name, Size: int64(len(name)), Mode: 0o600, ModTime: at})
			_, _ = io.WriteString(w, name)
		}
		_ = out.CloseWithError(w.Close())
	}()
	defer in.Close()
	return read(in)
}

func prints(text string, code int) func(string, docker.Streams) (int, error) {
	return func(_ string, st docker.Streams) (int, error) {
		_, err := io.WriteString(st.Out, text)
		if code != 0 {
			_, err = io.WriteString(st.Err, "no such database\x1b[0m\n")
		}
		return code, err
	}
}

// shop is a folder of dumps and what is dumped.
type shop struct {
	*testing.T
	folder backup.Folder
	of     backup.Of
	engine *engine
	now    time.Time
}

func newShop(t *testing.T) *shop {
	e := &engine{}
	return &shop{T: t, folder: backup.Folder{Path: t.TempDir()}, engine: e, now: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC), of: backup.Of{
		Lane: release.Lane{Service: "shop"}, Accessory: "db", Engine: e, Container: "c",
		How: how.Backup{Cmd: "pg_dump shop", Restore: "psql shop", Keep: 2, Timeout: time.Minute},
	}}
}

func (s *shop) take() (operation.Dump, error) {
	s.now = s.now.Add(time.Hour)
	return s.folder.Take(s.Context(), s.of, func() time.Time { return s.now })
}

// kept are the contents of the kept dumps, newest first.
func (s *shop) kept() string {
	s.Helper()
	list, err := s.folder.List(s.of.Lane, "db")
	if err != nil {
		s.Fatal(err)
	}
	var all []string
	for _, d := range list {
		content, err := os.ReadFile(d.Path)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, string(content))
	}
	return strings.Join(all, " ")
}

func TestADumpIsKeptAndTheOldestGo(t *testing.T) {
	s := newShop(t)
	for _, text := range []string{"one", "two", "three"} {
		s.engine.run = prints(text, 0)
		if d, err := s.take(); err != nil || d.Size != int64(len(text)) {
			t.Fatal(d, err)
		}
	}
	if got := s.kept(); got != "three two" {
		t.Errorf("kept are %q", got)
	}
	d, err := s.folder.Find(s.of.Lane, "db", "")
	if err != nil || d.Name != "20261123T060000Z" {
		t.Error(d, err)
	}
	if info, err := os.Stat(d.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	for _, name := range []string{"20261123T050000Z", "20261123T050000Z.dump", d.Path} {
		if _, err := s.folder.Find(s.of.Lane, "db", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.folder.Find(s.of.Lane, "db", "../../../etc/passwd"); !errors.Is(err, backup.ErrNone) {
		t.Error(err)
	}
}

func TestADumpThatFailedTakesThePlaceOfNone(t *testing.T) {
	s := newShop(t)
	s.engine.run = prints("good", 0)
	if _, err := s.take(); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(string, docker.Streams) (int, error){
		"its command failed":                        prints("half", 3),
		"it printed nothing":                        prints("", 0),
		"the connection was cut":                    func(string, docker.Streams) (int, error) { return 0, docker.ErrUnavailable },
		"the connection was cut, and nobody saw it": prints("half", 0),
	} {
		s.engine.run, s.engine.cut = run, strings.HasSuffix(name, "nobody saw it")
		_, err := s.take()
		if err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.kept(); got != "good" {
			t.Errorf("%s: kept are %q", name, got)
		}
	}
	s.engine.run, s.engine.cut = prints("half", 0), true
	if _, err := s.take(); !errors.Is(err, backup.ErrCut) {
		t.Error(err)
	}
	s.engine.run, s.engine.cut = prints("half", 3), false
	if _, err := s.take(); !strings.Contains(err.Error(), "status 3: no such database") {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(s.folder.Path, "shop/db/*")); err != nil || len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

func TestADumpThatACommandLeavesInAFileIsFetched(t *testing.T) {
	s := newShop(t)
	s.of.How.Cmd = "pg_dump shop > /backups/$(date +%s).sql"
	s.engine.run = func(string, docker.Streams) (int, error) {
		s.engine.left = map[string]time.Time{"of today.sql": s.now, "of yesterday.sql": s.now.Add(-24 * time.Hour)}
		return 0, nil
	}
	if _, err := s.take(); err != nil {
		t.Fatal(err)
	}
	if got := s.kept(); got != "of today.sql" {
		t.Errorf("kept are %q", got)
	}
	if got := strings.Join(s.engine.gone, " "); got != "/backups/of today.sql" {
		t.Errorf("removed there: %q", got)
	}
	s.engine.run = prints("", 0)
	s.engine.left = map[string]time.Time{"of yesterday.sql": s.now.Add(-24 * time.Hour)}
	if _, err := s.take(); err == nil || !strings.Contains(err.Error(), "left no new file") {
		t.Error(err)
	}
}

func TestTwoBackupsOfOneAccessoryDoNotGoOnAtOnce(t *testing.T) {
	s := newShop(t)
	s.engine.run = func(_ string, st docker.Streams) (int, error) {
		s.engine.run = prints("other", 0)
		if _, err := s.take(); err == nil || !strings.Contains(err.Error(), "another backup or restore of it goes on") {
			t.Error(err)
		}
		return prints("first", 0)("", st)
	}
	if _, err := s.take(); err != nil {
		t.Fatal(err)
	}
	if got := s.kept(); got != "first" {
		t.Errorf("kept are %q", got)
	}
}

func TestARestoreReadsTheWholeDumpAndTellsWhatWentWrong(t *testing.T) {
	s := newShop(t)
	s.engine.run = prints("rows", 0)
	dump, err := s.take()
	if err != nil {
		t.Fatal(err)
	}
	var read, said string
	s.engine.run = func(text string, st docker.Streams) (int, error) {
		b, err := io.ReadAll(st.In)
		read = text + " < " + string(b)
		_, _ = io.WriteString(st.Out, "COPY 2\n")
		return 0, err
	}
	var out strings.Builder
	if err := s.folder.Restore(t.Context(), s.of, dump, &out); err != nil {
		t.Fatal(err)
	}
	if said = out.String(); read != "psql shop < rows" || said != "COPY 2\n" {
		t.Errorf("%q, %q", read, said)
	}
	s.engine.run = prints("", 2)
	if err := s.folder.Restore(t.Context(), s.of, dump, io.Discard); err == nil || !strings.Contains(err.Error(), "; some of it may be there already: restore it again") {
		t.Error(err)
	}
	s.engine.run = func(string, docker.Streams) (int, error) {
		if _, err := s.take(); err == nil || !strings.Contains(err.Error(), "another backup or restore of it goes on") {
			t.Errorf("a dump of half the data: %v", err)
		}
		return 0, docker.ErrUnavailable
	}
	if err := s.folder.Restore(t.Context(), s.of, dump, io.Discard); !errors.Is(err, docker.ErrUnavailable) || !strings.Contains(err.Error(), "restore it again") {
		t.Error(err)
	}
	if got := s.kept(); got != "rows" {
		t.Errorf("kept are %q", got)
	}
}

func TestABackupIsDueByItsScheduleOnce(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.DateTime, "2026-11-"+text+":00")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	nightly := how.Backup{Cmd: "x", Schedule: "0 3 * * *"}
	for name, c := range map[string]struct {
		how                how.Backup
		last, started, now time.Time
		due                bool
	}{
		"no schedule":                             {how.Backup{Cmd: "x"}, time.Time{}, at("22 00:00"), at("23 03:00"), false},
		"never taken, before its time":            {nightly, time.Time{}, at("23 01:00"), at("23 02:59"), false},
		"never taken, at its time":                {nightly, time.Time{}, at("23 01:00"), at("23 03:00"), true},
		"taken yesterday":                         {nightly, at("22 03:00"), at("20 00:00"), at("23 03:01"), true},
		"taken just now":                          {nightly, at("23 03:00"), at("20 00:00"), at("23 03:01"), false},
		"missed while the daemon restarted":       {nightly, at("22 03:00"), at("23 03:20"), at("23 03:21"), true},
		"missed hours ago while it was away":      {nightly, at("22 03:00"), at("23 11:00"), at("23 11:01"), false},
		"missed hours ago, and the night is back": {nightly, at("22 03:00"), at("23 11:00"), at("24 03:00"), true},
	} {
		next := backup.Next(c.how, c.last, c.started, time.UTC)
		if got := !next.IsZero() && !next.After(c.now); got != c.due {
			t.Errorf("%s: %v, at %s", name, got, next)
		}
	}
}
