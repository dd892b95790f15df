package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/release"
)

// overlaidRows need a program that is the built one but for a file or two: a
// fault of its own, or a newer schema. The files of the product carry no trace
// of it (go build -overlay).
func overlaidRows() []row {
	return []row{
		{id: "F4", fault: "the program panics in one service's work, again and again", then: "that service stays as it is and is told of; the daemon lives, and another service goes live meanwhile", do: panics},
		{id: "F49", fault: "an upgrade is killed half way, and then taken back", then: "the former program goes on or names the copy to put back, the newer one goes on; neither redeploys anything", do: upgradeKilled},
	}
}

const root = "../.."

// overlaid builds the program with some files, named from the root of the
// source, replaced or added.
func (s *scene) overlaid(files map[string]string) (program string) {
	s.Helper()
	top, err := filepath.Abs(root)
	s.Do(err)
	replace := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(files)) {
		own := fmt.Sprintf("overlaid%d%s", i, filepath.Ext(name))
		s.Write(own, files[name])
		replace[filepath.Join(top, name)] = s.Path(own)
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	s.Do(err)
	s.Write("overlay.json", string(list))
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Minute)
	defer cancel()
	program = s.Path("overlaid")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", s.Path("overlay.json"), "-ldflags=-s -w -X main.version=overlaid", "-o", program, "./cmd/fairlead")
	cmd.Dir, cmd.Env = top, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("build with an overlay: %v\n%s", err, out)
	}
	return program
}

// panics has the switch of one service panic while a file is there.
func panics(s *scene) {
	const file, begin = "deployer/route/driver.go", "func (d *Driver) Deploy(ctx context.Context, r plan.Route, containers ...string) error {\n"
	text, err := os.ReadFile(filepath.Join(root, file))
	s.Do(err)
	before, after, found := strings.Cut(string(text), begin)
	if !found {
		s.Fatalf("%s has no place for a panic", file)
	}
	flag := s.Path("panic")
	s.Daemon.Program = s.overlaid(map[string]string{file: strings.Replace(before, "\t\"path\"\n", "\t\"os\"\n\t\"path\"\n", 1) + begin +
		fmt.Sprintf("if _, err := os.Stat(%q); err == nil && strings.HasPrefix(r.Service, %q) {\npanic(\"a fault that was put in\")\n}\n", flag, s.Lane+"-") + after})
	other := &scene{Service: stage.New(s.TB, shared.Stage, "s", s.Hosts)}
	conf := "repositories:\n"
	for _, of := range []*scene{s, other} {
		conf += "  " + of.Lane + ":\n"
		for key, value := range of.Settings {
			conf += "    " + key + ": " + value + "\n"
		}
	}
	s.Write("fairlead.yml", conf+s.Operator.String())
	s.Do(s.Daemon.Start())
	s.Ends(s.push("v1", nil), release.Succeeded)
	s.Ends(other.push("v1", nil), release.Succeeded)
	pid := s.Daemon.Pid()
	s.Write("panic", "")
	sha := s.push("v2", nil)
	s.Waits(sha, "a fault in Fairlead itself", "a fault that was put in")
	s.Ends(other.push("v2", nil), release.Succeeded)
	other.Serves("v2")
	for _, h := range s.Hosts {
		if got, err := s.Answer(h); err != nil || got != "v1" {
			s.Errorf("%s answers %q (%v), want v1", h.Name, got, err)
		}
	}
	s.Do(os.Remove(flag))
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.copies("v2", 1)
	s.EndedOnce(sha)
	if now := s.Daemon.Pid(); now != pid {
		s.Errorf("it was process %d and is %d", pid, now)
	}
}

// newer builds a program that knows eight schemas more, each of which moves all
// that the one before made.
func (s *scene) newer() (program string) {
	s.Helper()
	known, err := filepath.Glob(filepath.Join(root, "store/migrations/*.sql"))
	s.Do(err)
	files := map[string]string{}
	for i := range 8 {
		text := fmt.Sprintf("CREATE TABLE moved%d (x TEXT) STRICT; INSERT INTO moved%d SELECT x FROM moved%d; DROP TABLE moved%d", i, i, i-1, i-1)
		if i == 0 {
			text = "CREATE TABLE moved0 (x TEXT) STRICT; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 40000) " +
				"INSERT INTO moved0 SELECT printf('row %d of the upgrade', i) FROM n"
		}
		files[fmt.Sprintf("store/migrations/%04d_moved.sql", len(known)+1+i)] = text
	}
	return s.overlaid(files)
}

func upgradeKilled(s *scene) {
	newer, former := s.newer(), s.Daemon.Program
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	told := 0
	for n := range 4 {
		s.Do(s.Daemon.Stop())
		s.Daemon.Program = newer
		s.Do(s.Daemon.Start())
		s.Until("the upgrade has begun", func() bool { return len(s.backups()) > 2*n })
		s.Do(s.Daemon.Kill())
		s.Daemon.Program = former
		if copied := s.refusesNewer(); copied != "" {
			told++
			s.Do(os.Rename(copied, s.Path("data/fairlead.db")))
			s.Do(s.Daemon.Start())
		}
		s.Ends(s.PushFiles(map[string]string{"README.md": fmt.Sprintf("Nothing that runs is changed, %d.\n", n)}), release.Unchanged)
		for _, name := range s.backups() {
			s.Do(os.Remove(name))
		}
	}
	if told == 0 {
		s.Error("no kill left a newer schema behind")
	}
	s.Do(s.Daemon.Stop())
	s.Daemon.Program = newer
	s.Do(s.Daemon.Start())
	s.Ends(s.PushFiles(map[string]string{"README.md": "Nor is it by the newer program.\n"}), release.Unchanged)
	s.Do(s.Daemon.Stop())
	s.Daemon.Program = former
	if copied := s.refusesNewer(); copied == "" {
		s.Error("the former program runs on the newer one's database")
	}
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.Daemon.Program = newer
}

// backups are the copies of the database that were made before upgrades.
func (s *scene) backups() []string {
	s.Helper()
	names, err := filepath.Glob(s.Path("data/*.backup"))
	s.Do(err)
	return names
}

// refusesNewer starts the daemon. Where it does not start on a newer database,
// it returns the copy that it says to put back; else it runs.
func (s *scene) refusesNewer() (copied string) {
	s.Helper()
	s.Do(s.Daemon.Start())
	ended := false
	s.Until("it runs or ends", func() bool {
		select {
		case <-s.Daemon.Ended():
			ended = true
		default:
		}
		_, err := s.Command("history", s.Lane, "--json")
		return ended || err == nil
	})
	if !ended {
		return ""
	}
	if s.Daemon.Stop() == nil {
		s.Error("it ended with status 0")
	}
	said := s.Daemon.LastLines()
	_, advice, _ := strings.Cut(said[strings.LastIndex(said, "run the newer fairlead"):], "mv ")
	copied, _, _ = strings.Cut(advice, " ")
	if copied == "" {
		s.Fatalf("it does not say which copy to put back: %s", said)
	}
	return copied
}
