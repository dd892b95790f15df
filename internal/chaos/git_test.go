package chaos_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func gitRows() []row {
	const later = "the last commit stays live, and hosts are looked after; the new one is deployed when Git answers"
	return []row{
		{id: "F29", fault: "Git refuses connections", then: later, quick: true, do: gitDisturbed("refusing")},
		{id: "F32", fault: "Git accepts and never answers", then: later, do: gitDisturbed("mute")},
		{id: "F32", fault: "Git sends 200 bytes a second", then: "the last commit stays live; the new one is deployed when Git is itself again", do: gitDisturbed("slow")},
		{id: "F30", fault: "the branch is force-pushed", then: "the new tip is deployed", do: forcePushed},
		{id: "F30", fault: "the branch is deleted and comes back", then: "nothing is removed; Git is followed again", do: branchDeleted},
		{id: "F31", fault: "somebody commits 64 MiB that cannot be compressed", then: "it is deployed, and the daemon stays below 256 MiB", do: hugeCommit},
		{id: "F33", fault: "the local copy of the repository is damaged", then: "it is made anew", do: copyDamaged},
		{id: "F34", fault: "20,000 webhooks come, every second one forged", then: "the forged are refused, the others are one look; the daemon stays below 256 MiB", quick: true, do: webhookFlood},
		{id: "F35", fault: "a webhook is delivered 20 times", then: "the commit is deployed once", do: webhookReplayed},
		{id: "F36", fault: "every webhook is lost", then: "polling finds the commit", do: webhooksLost},
		{id: "F37", fault: "five commits come in one rollout", then: "only the newest follows; the others are recorded as superseded", do: manyCommits},
	}
}

// throughLine lets the daemon reach Git by a line that can be disturbed.
func (s *scene) throughLine() *line {
	l := draw(s, shared.Fleet.GitMachine.Addr+":80")
	s.Settings["url"] = strings.Replace(s.Remote.HTTP, shared.Fleet.GitMachine.Addr, l.address, 1)
	return l
}

func gitDisturbed(state string) func(*scene) {
	return func(s *scene) {
		l := s.throughLine()
		s.live()
		s.Serves("v1")
		l.disturb(state)
		sha := s.push("v2", nil)
		if state != "slow" { // what comes in drops holds up the reconcile until its deadline
			s.docker(s.last(), "rm", "-f", "WEB")
		}
		s.untilServes("v1") // hosts are looked after meanwhile
		l.disturb("")
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
	}
}

func forcePushed(s *scene) {
	s.Do(s.Remote.Set(s.Context(), "receive.denyNonFastForwards", "false"))
	first := s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Do(s.Repo.Rewind(first))
	s.image("v3", nil)
	sha, err := s.Repo.Commit("Another way", map[string]string{"config/deploy.yml": s.file("v3").String()})
	s.Do(err)
	s.Do(s.Repo.Send(s.Context(), "+refs/heads/main:refs/heads/main"))
	s.Ends(sha, release.Succeeded)
	s.Serves("v3")
}

func branchDeleted(s *scene) {
	s.Do(s.Remote.Set(s.Context(), "receive.denyDeleteCurrent", "ignore"))
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	s.Do(s.Repo.Send(s.Context(), "refs/heads/main:refs/heads/other"))
	s.Do(s.Repo.Send(s.Context(), ":refs/heads/main"))
	s.Until("the daemon has seen it", func() bool { return strings.Contains(s.Daemon.LastLines(), "branch missing") })
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}

// mostMemory is the most that the daemon ever took, in MiB.
func (s *scene) mostMemory() int {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Daemon.Pid()))
	s.Do(err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, err := strconv.Atoi(fields[1])
			s.Do(err)
			return kib >> 10
		}
	}
	s.Fatal("no VmHWM")
	return 0
}

// bounded fails the test when the daemon took too much.
func (s *scene) bounded(mib int) {
	s.Helper()
	if most := s.mostMemory(); most > mib {
		s.Errorf("the daemon took %d MiB", most)
	}
}

func hugeCommit(s *scene) {
	s.live()
	dir := s.Path("clone")
	git := func(args ...string) {
		s.Helper()
		cmd := exec.CommandContext(s.Context(), "git", append([]string{"-c", "user.name=Ana", "-c", "user.email=ana@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
	git("clone", "-q", s.Remote.Path, dir)
	file, err := os.Create(filepath.Join(dir, "film.bin"))
	s.Do(err)
	_, err = io.CopyN(file, rand.Reader, 64<<20)
	s.Do(err)
	s.Do(file.Close())
	s.image("v2", nil)
	s.Do(os.WriteFile(filepath.Join(dir, "config/deploy.yml"), []byte(s.file("v2").String()), 0o644))
	git("-C", dir, "add", ".")
	git("-C", dir, "commit", "-q", "-m", "Add a film")
	git("-C", dir, "push", "-q", "origin", "main")
	s.untilServes("v2")
	s.bounded(256)
	git("-C", dir, "rm", "-q", "film.bin")
	s.image("next", nil)
	// followsGitAgain pushes from another checkout, on top of the first commit.
	s.Do(s.Remote.Set(s.Context(), "receive.denyNonFastForwards", "false"))
	_, err = s.Repo.Commit("Without the film", map[string]string{"config/deploy.yml": s.file("v2").String()})
	s.Do(err)
	s.Do(s.Repo.Send(s.Context(), "+refs/heads/main:refs/heads/main"))
}

func copyDamaged(s *scene) {
	s.live()
	s.Serves("v1")
	s.Do(s.Daemon.Stop())
	damaged := 0
	s.Do(filepath.WalkDir(s.Path("data"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(filepath.Base(path), "fairlead.db") || strings.Contains(path, "lock") {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < 10 || !strings.Contains(path, "objects") {
			return err
		}
		damaged++
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}))
	if damaged == 0 {
		s.Fatal("found no copy to damage")
	}
	s.Do(s.Daemon.Start())
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}

// listens lets the daemon answer webhooks.
func (s *scene) listens(poll string) (call func(client *http.Client, key, id string) (int, error)) {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.Do(err)
	address := l.Addr().String()
	s.Do(l.Close())
	s.Operator["listen"] = address
	s.Settings["poll"] = poll
	s.Settings["webhook"] = "{ provider: github, secret: { file: " + s.Path("hook-secret") + " } }"
	body := []byte(`{"ref":"refs/heads/main"}`)
	return func(client *http.Client, key, id string) (int, error) {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://"+address+"/hooks/"+s.Lane, bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-GitHub-Event", "push")
		req.Header.Set("X-GitHub-Delivery", id)
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Body.Close()
	}
}

func webhookFlood(s *scene) {
	call := s.listens("never")
	s.live()
	sha := s.push("v2", slow())
	var number, failed, refused, accepted atomic.Int64
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for n := number.Add(1); n <= 20_000; n = number.Add(1) {
				key := s.Key
				if n%2 == 0 {
					key = "not the key"
				}
				status, err := call(client, key, fmt.Sprintf("flood-%d", n))
				switch {
				case err != nil:
					failed.Add(1)
				case n%2 == 0 && status != http.StatusAccepted:
					refused.Add(1)
				case n%2 == 1 && status == http.StatusAccepted:
					accepted.Add(1)
				}
			}
		})
	}
	s.Ends(sha, release.Succeeded)
	done.Wait()
	if refused.Load() != 10_000 || failed.Load() > 0 || accepted.Load() == 0 {
		s.Errorf("of 10,000 forged %d were refused, %d had no answer; %d signed ones were accepted", refused.Load(), failed.Load(), accepted.Load())
	}
	s.bounded(256)
	s.Serves("v2")
	s.EndedOnce(sha)
	s.polls()
}

// polls lets the daemon poll again, for what follows.
func (s *scene) polls() {
	s.Helper()
	s.Do(s.Daemon.Stop())
	s.Settings["poll"] = "1s"
	s.Start()
}

func webhookReplayed(s *scene) {
	call := s.listens("never")
	s.live()
	sha := s.push("v2", nil)
	for range 20 {
		if _, err := call(actor.NewClient(), s.Key, "the-same"); err != nil {
			s.Fatal(err)
		}
	}
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
	s.polls()
}

func webhooksLost(s *scene) {
	s.listens("2s")
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}

func manyCommits(s *scene) {
	s.live()
	first := s.push("v2", slow())
	s.Told(first, release.Preparing)
	var last string
	for _, version := range []string{"v3", "v4", "v5", "v6", "v7"} {
		last = s.push(version, nil)
	}
	s.Ends(last, release.Succeeded)
	s.Serves("v7")
	ends := map[string]release.Status{}
	for _, r := range s.History() {
		ends[r.Version] = r.Status
		if !r.Status.Terminal() {
			s.Errorf("%s is %s", r.Version, r.Status)
		}
	}
	for _, version := range []string{"v3", "v4", "v5", "v6"} {
		if status := ends[version]; status == release.RolledBack || status == release.Failed || status == release.NeedsHuman {
			s.Errorf("%s is %s", version, status)
		}
	}
}
