package setup

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// registryServer knows one image: acme/shop:1.
func registryServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/":
		case "/v2/acme/shop/manifests/1":
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
			w.Header().Set("Content-Length", "2")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// site is a repository, a registry, and a host whose engine is this machine's.
type site struct {
	*world
	host *sshtest.Server
	repo *mirrortest.Repo
}

func newSite(t *testing.T, tag string, options sshtest.Options) *site {
	t.Helper()
	host := sshtest.Start(t, options)
	r := mirrortest.NewRepo(t, t.TempDir(), "shop").AllowPartial()
	r.Commit("first", map[string]string{"config/deploy.yml": "service: shop\nimage: acme/shop:" + tag + "\nservers: [web1]\nregistry: { server: \"" + registryServer(t) + "\", username: [REGISTRY_USER], password: [REGISTRY_PASSWORD] }\nbuilder: { arch: amd64 }\n"})
	w := newWorld(t, "repositories:\n  shop:\n    url: "+r.Dir+"\n    secrets: { file: shop.env }\nssh: { key: id, known_hosts: known_hosts }\nhosts:\n  web1: { address: 127.0.0.1, port: "+strconv.Itoa(host.Port)+" }\ndata_dir: data\nsocket: s\n")
	writeText(t, filepath.Join(w.dir, "shop.env"), "REGISTRY_USER=acme\nREGISTRY_PASSWORD=secret-word\n")
	return &site{w, host, r}
}

// logIn makes the key, lets it in and trusts the host.
func logIn(t *testing.T, s *site) {
	t.Helper()
	file := filepath.Join(s.dir, "id")
	if _, err := EnsureKey(file, "", rand.Reader); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey([]byte(readText(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	s.host.Signer = signer
	if _, err := s.trust("web1", "y\n", nil); err != nil {
		t.Fatal(err)
	}
}

func (s *site) check() (Findings, Survey) {
	s.t.Helper()
	conf, found := CheckFile(s.file)
	if conf == nil {
		s.t.Fatal(found)
	}
	survey := Check(s.t.Context(), conf, s.reach(conf))
	return append(found, survey.Findings...), survey
}

func lines(fs Findings) string {
	var b bytes.Buffer
	_ = fs.WriteText(&b) // a buffer takes all
	return b.String()
}

func TestAllThatIsWellIsOneLineEach(t *testing.T) {
	s := newSite(t, "1", sshtest.Options{})
	logIn(t, s)
	found, survey := s.check()
	text := lines(found)
	if found.Failed() {
		t.Fatalf("something failed:\n%s", text)
	}
	for _, want := range []string{
		"ok   fairlead.yml: ", "ok   shop: refs/heads/main is at ", "ok   shop: config/deploy.yml is right; service shop on 1 host",
		"ok   shop: 2 secrets found, none missing", "/acme/shop:1 exists", "ok   web1: engine ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	if len(survey.Hosts) != 1 || survey.Hosts[0].Services[0] != "shop" {
		t.Errorf("hosts %+v", survey.Hosts)
	}
}

func TestEachFailureNamesItsRemedy(t *testing.T) {
	for name, test := range map[string]struct {
		tag   string
		spoil func(*testing.T, *site)
		want  []string
	}{
		"an unknown host key": {"1", func(t *testing.T, s *site) { writeText(t, filepath.Join(s.dir, "known_hosts"), "") },
			[]string{"FAIL web1: its host key is not known", "→ compare it with the server's, then `fairlead host trust web1`"}},
		"a changed host key": {"1", func(t *testing.T, s *site) { s.host.ChangeHostKey(t) },
			[]string{"FAIL web1: its host key has CHANGED", "fairlead host trust --replace web1"}},
		"a key that is not let in": {"1", func(t *testing.T, s *site) {
			if err := os.Remove(filepath.Join(s.dir, "id")); err != nil {
				t.Fatal(err)
			}
			if _, err := EnsureKey(filepath.Join(s.dir, "id"), "", rand.Reader); err != nil {
				t.Fatal(err)
			}
		}, []string{"FAIL web1: the server accepted none of the keys", "fairlead key"}},
		"a missing secret": {"1", func(t *testing.T, s *site) { writeText(t, filepath.Join(s.dir, "shop.env"), "REGISTRY_USER=acme\n") },
			[]string{"FAIL shop: secrets are missing: REGISTRY_PASSWORD", "fairlead secret set NAME -r shop"}},
		"a missing image": {"2", nil, []string{"FAIL shop: no image ", "/acme/shop:2", "→ push it"}},
		"a wrong deploy.yml": {"1", func(t *testing.T, s *site) {
			s.repo.Commit("wrong", map[string]string{"config/deploy.yml": "service: shop\nimag: x\n"})
		}, []string{"FAIL shop: config/deploy.yml:2"}},
		"a missing repository": {"1", func(t *testing.T, s *site) {
			if err := os.RemoveAll(s.repo.Dir); err != nil {
				t.Fatal(err)
			}
		}, []string{"FAIL shop: "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.tag, sshtest.Options{})
			logIn(t, s)
			if test.spoil != nil {
				test.spoil(t, s)
			}
			found, _ := s.check()
			text := lines(found)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if !found.Failed() || strings.Contains(text, "secret-word") {
				t.Errorf("failed %v:\n%s", found.Failed(), text)
			}
		})
	}
}

func TestAWrongFileShowsAllProblemsAtOnce(t *testing.T) {
	w := newWorld(t, "repositories:\n  a: { url: '-x' }\nlisten: 12\nhots: {}\n")
	conf, found := CheckFile(w.file)
	if conf != nil || len(found) < 3 || !found.Failed() || !strings.Contains(lines(found), "→ did you mean") {
		t.Fatalf("%v", found)
	}
}

func TestTheDoctorLooksDeeper(t *testing.T) {
	s := newSite(t, "1", sshtest.Options{})
	logIn(t, s)
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.dir, "known_hosts"), 0o666); err != nil {
		t.Fatal(err)
	}
	conf := s.config()
	r := s.reach(conf)
	text := lines(Doctor(t.Context(), conf, r, Check(t.Context(), conf, r)))
	for _, want := range []string{
		"FAIL daemon: none answers at ", "FAIL data_dir: ", "→ chmod 700 ", "FAIL known_hosts: can be written by others", "MiB are free",
		"ok   web1: sshd forwards the engine's socket", "ok   web1: its clock agrees", "web1: ", "proxy",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestTheDoctorTellsWhereForwardingIsForbidden(t *testing.T) {
	s := newSite(t, "1", sshtest.Options{RefuseStreamlocal: true, Commands: map[string]func(io.Reader, io.Writer, io.Writer) int{
		"docker version":           func(io.Reader, io.Writer, io.Writer) int { return 0 },
		"docker system dial-stdio": sshtest.DialStdio(dockertest.Socket),
	}})
	logIn(t, s)
	conf := s.config()
	r := s.reach(conf)
	survey := Check(t.Context(), conf, r)
	if text := lines(Doctor(t.Context(), conf, r, survey)); survey.Findings.Failed() || !strings.Contains(text, "ok   web1: sshd does not forward the engine's socket") || !strings.Contains(text, "ok   web1: its clock agrees") {
		t.Fatalf("%s%s", lines(survey.Findings), text)
	}
}

func TestClocksAreComparedToTheSecond(t *testing.T) {
	from := time.Date(2026, 5, 1, 12, 0, 0, 900e6, time.UTC)
	to := from.Add(200 * time.Millisecond)
	for date, want := range map[string]string{
		"Fri, 01 May 2026 12:00:00 GMT": "ok   h: its clock agrees\n",
		"Fri, 01 May 2026 12:00:01 GMT": "ok   h: its clock agrees\n",
		"Fri, 01 May 2026 12:00:05 GMT": "ok   h: its clock agrees\n",
		"Fri, 01 May 2026 12:01:01 GMT": "FAIL h: its clock is off by 1m0s → let NTP set it (timedatectl set-ntp true)\n",
		"Fri, 01 May 2026 11:59:00 GMT": "FAIL h: its clock is off by -1m1s → let NTP set it (timedatectl set-ntp true)\n",
		"yesterday":                     "",
	} {
		var fs Findings
		clock(&fs, "h", date, from, to)
		if got := lines(fs); got != want {
			t.Errorf("%s: %q, want %q", date, got, want)
		}
	}
}
