package e2e_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestGitOverSSHAndFromAFolderIsDeployed(t *testing.T) {
	t.Parallel()
	for _, door := range []struct{ service, scheme string }{{"gitssh", "ssh://"}, {"gitfile", "file://"}} {
		t.Run(door.scheme, func(t *testing.T) {
			s := begin(t, door.service)
			s.image("v1", nil)
			s.settings["url"] = s.remote.SSH
			if door.scheme == "file://" {
				s.settings["url"] = s.remote.File
			}
			s.start()
			s.ends(s.push(s.file("v1")), release.Succeeded)
			s.answers("v1")
		})
	}
}

// listens lets the daemon answer webhooks, and looks at Git only when told.
func (s *scenario) listens(provider string) (address, key string) {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.do(err)
	address, key = l.Addr().String(), actor.NewSecret()
	s.do(l.Close())
	s.write("webhook-secret", key)
	s.operator["listen"] = address
	s.settings["poll"] = "never"
	s.operator["reconcile"] = "1h" // which looks, too
	s.settings["webhook"] = "{ provider: " + provider + ", secret: { file: " + s.path("webhook-secret") + " } }"
	return address, key
}

func TestASignedCallOfGitHubDeploysAndAForgedOneDoesNot(t *testing.T) {
	t.Parallel()
	s := begin(t, "hooked")
	s.image("v1", nil)
	s.image("v2", nil)
	address, key := s.listens("github")
	first := s.push(s.file("v1"))
	s.start()
	s.ends(first, release.Succeeded) // a start looks too
	second := s.push(s.file("v2"))
	body := []byte(`{"ref":"refs/heads/main"}`)
	call := func(key string) int {
		t.Helper()
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/hooks/"+s.service, bytes.NewReader(body))
		s.do(err)
		req.Header.Set("X-GitHub-Event", "push")
		req.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3")
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := actor.NewClient().Do(req)
		s.do(err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := call("not the key"); got != http.StatusUnauthorized {
		t.Errorf("a forged call is answered %d", got)
	}
	if got := call(key); got != http.StatusAccepted {
		t.Fatalf("the signed call is answered %d", got)
	}
	ev := s.ends(second, release.Succeeded)
	if ev.Release.Cause.Kind != release.CauseWebhook || ev.Release.Cause.Detail != "72d3162e-cc78-11e3" {
		t.Errorf("the cause is %+v", ev.Release.Cause)
	}
	s.answers("v2")
}

func TestAPushToABareRepositoryWithOurHookDeploysAtOnce(t *testing.T) {
	t.Parallel()
	s := begin(t, "bare")
	s.image("v1", nil)
	s.image("v2", nil)
	address, key := s.listens("generic")
	first := s.push(s.file("v1"))
	s.start()
	s.ends(first, release.Succeeded)
	hook, status := s.types("hook", s.service)
	if status != 0 {
		t.Fatalf("fairlead hook ends with %d: %s", status, hook)
	}
	hooks := filepath.Join(s.remote.Path, "hooks")
	s.do(os.MkdirAll(hooks, 0o755))
	s.do(os.WriteFile(filepath.Join(hooks, "post-receive"), []byte(hook), 0o755))
	s.do(os.WriteFile(filepath.Join(hooks, "fairlead.secret"), []byte(key), 0o600))
	p := alone(s)
	p.git("pull", "-q", s.remote.File, "main")
	p.writes(s.file("v2"))
	said := p.git("push", s.remote.File, "main") // on this machine, so that the hook runs here
	if want := "watch it with: fairlead status, or at http://" + address; !strings.Contains(said, want) {
		t.Errorf("git push says %q, which does not tell where to watch: %q", said, want)
	}
	ev := s.ends(strings.TrimSpace(p.git("rev-parse", "HEAD")), release.Succeeded)
	if ev.Release.Cause.Kind != release.CauseWebhook {
		t.Errorf("the cause is %+v", ev.Release.Cause)
	}
	s.answers("v2")
}

func TestRewrittenHistoryIsDeployedAndADeletedFileOrBranchRemovesNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "force")
	for _, version := range []string{"v1", "v2", "v3"} {
		s.image(version, nil)
	}
	s.do(s.remote.Set(t.Context(), "receive.denyDeleteCurrent", "ignore"))
	s.do(s.remote.Set(t.Context(), "receive.denyNonFastForwards", "false"))
	s.start()
	first := s.push(s.file("v1"))
	s.ends(first, release.Succeeded)
	s.ends(s.push(s.file("v2")), release.Succeeded)
	s.do(s.repo.Rewind(first))
	other, err := s.repo.Commit("Another way", map[string]string{"config/deploy.yml": s.file("v3").String()})
	s.do(err)
	s.do(s.repo.Send(t.Context(), "+refs/heads/main:refs/heads/main"))
	s.ends(other, release.Succeeded)
	s.answers("v3")

	picture, since := s.picture(), s.clock()
	p := alone(s)
	p.git("pull", "-q", s.remote.File, "main")
	p.git("rm", "-q", "config/deploy.yml")
	p.git("commit", "-q", "-m", "No deploy.yml")
	p.git("push", "-q", s.remote.File, "main")
	missing := "the repository has no config/deploy.yml and no deploy.yml"
	ev := s.ends(strings.TrimSpace(p.git("rev-parse", "HEAD")), release.Failed)
	if !strings.Contains(ev.Message, missing) {
		t.Errorf("the message does not say what is missing: %s", ev.Message)
	}
	if line := s.logged("revision=" + ev.Release.Revision.Short() + " status=failed"); !strings.Contains(line, missing) {
		t.Errorf("the log does not say what is missing: %s", line)
	}
	if out, _ := s.types("status"); !strings.Contains(out, missing) {
		t.Errorf("the status does not say what is missing:\n%s", out)
	} else if !strings.Contains(out, "→ push the file") {
		t.Errorf("the status does not say what to do:\n%s", out)
	}
	s.untouchedSince(since)
	if now := s.picture(); now != picture {
		t.Errorf("without a deploy.yml it was\n%s\nand is\n%s", picture, now)
	}
	s.answers("v3")

	s.do(s.repo.Send(t.Context(), "refs/heads/main:refs/heads/other")) // without any branch it would be an empty repository
	s.do(s.repo.Send(t.Context(), ":refs/heads/main"))
	s.until("the daemon has seen that the branch is gone", func() bool { return strings.Contains(s.daemon.LastLines(), "branch missing") })
	s.do(s.daemon.Stop()) // whatever it was about to do is done
	s.untouchedSince(since)
	if now := s.picture(); now != picture {
		t.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.answers("v3")
}
