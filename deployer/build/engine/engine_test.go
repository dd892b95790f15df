package engine_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/crypto/ssh/agent"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const probeSource = `package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	switch os.Args[1] {
	case "secret":
		text, err := os.ReadFile("/run/secrets/" + os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(4)
		}
		fmt.Printf("secret %x\n", sha256.Sum256(text))
	case "agent":
		conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
		if err != nil {
			fmt.Println(err)
			os.Exit(5)
		}
		conn.Write([]byte{0, 0, 0, 1, 11}) // which keys are there?
		reply := make([]byte, 9)
		n, err := io.ReadFull(conn, reply)
		fmt.Println("agent says", reply[:n], err)
	case "wait":
		fmt.Println("waiting")
		select {}
	case "fail":
		fmt.Println("one of the last lines")
		os.Exit(3)
	}
}
`

// probe builds the program of the tests' images once.
var probe = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(probeSource), 0o600); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "probe"), filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GO111MODULE=off")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build probe: %w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "probe"))
})

// files is a context with the probe and a Dockerfile.
func files(t *testing.T, dockerfile string) io.Reader {
	t.Helper()
	program, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string][]byte{"Dockerfile": []byte(dockerfile), "probe": program} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func local(t *testing.T) *engine.Engine {
	e := engine.New("here", func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", dockertest.Socket)
	})
	t.Cleanup(e.Close)
	return e
}

// lines collects what a build says.
type lines struct {
	sync.Mutex
	all []string
}

func (l *lines) told(line engine.Line) {
	l.Lock()
	defer l.Unlock()
	l.all = append(l.all, line.Text)
}

// tag is a name for an image that is removed at the end of the test.
func tag(t *testing.T, e *docker.Engine, ref string) string {
	t.Cleanup(func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), ref); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return ref
}

func TestABuildSeesItsArgumentsSecretsAndAgentAndTheImageKeepsNoneOfThem(t *testing.T) {
	docks, l := dockertest.Engine(t), new(lines)
	ref := tag(t, docks, dockertest.ID(t)+":v1")
	const token = "canary-7f3a9c-token"
	keys := agent.NewKeyring()
	id, err := local(t).Build(t.Context(), engine.Order{
		Tags: []string{ref}, Target: "app", Args: map[string]string{"WHO": "ana & co"}, Labels: map[string]string{"service": "shop"}, NoCache: true,
		Lends: engine.Lends{
			Secrets: map[string]secret.Value{"TOKEN": secret.New(token)},
			Agents: map[string]func(context.Context) (net.Conn, error){"default": func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() { _ = agent.ServeAgent(keys, theirs) }() // ends with the connection
				return ours, nil
			}},
		},
	}, files(t, `FROM scratch AS app
ARG WHO
LABEL who=$WHO
COPY probe /probe
RUN --mount=type=secret,id=TOKEN ["/probe", "secret", "TOKEN"]
RUN --mount=type=ssh ["/probe", "agent"]
FROM app AS later
RUN ["/probe", "fail"]
`), l.told)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(l.all, "\n"))
	}
	img, err := docks.Image(t.Context(), ref)
	if err != nil || img.ID != id || img.Labels["service"] != "shop" || img.Labels["who"] != "ana & co" {
		t.Errorf("the image is %s, %v, %v; the build said %s", img.ID, img.Labels, err, id)
	}
	for _, want := range []string{fmt.Sprintf("secret %x", sha256.Sum256([]byte(token))), "agent says [0 0 0 5 12 0 0 0 0] <nil>"} {
		if !slices.Contains(l.all, want) {
			t.Errorf("no line says %q:\n%s", want, strings.Join(l.all, "\n"))
		}
	}
	saved, err := local(t).Save(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	all, err := io.ReadAll(saved)
	if err != nil || len(all) < 1000 || bytes.Contains(all, []byte(token)) {
		t.Errorf("the image has %d bytes, %v, and holds the secret: %v", len(all), err, bytes.Contains(all, []byte(token)))
	}
}

func TestABuildThatFailsSaysWhichStepAndWhatItPrinted(t *testing.T) {
	dockertest.Engine(t)
	for name, c := range map[string]struct{ dockerfile, step, message, line string }{
		"a step":                {"FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"fail\"]\n", "RUN [\"/probe\", \"fail\"]", "exit code: 3", "one of the last lines"},
		"a file that is absent": {"FROM scratch\nCOPY none /none\n", "", "not found", ""},
		"an unknown word":       {"FROM scratch\nCOPPY x /x\n", "", "COPPY", ""},
		"a secret nobody gave":  {"FROM scratch\nCOPY probe /probe\nRUN --mount=type=secret,id=NONE,required=true [\"/probe\", \"secret\", \"NONE\"]\n", "", "NONE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := new(lines)
			_, err := local(t).Build(t.Context(), engine.Order{}, files(t, c.dockerfile), l.told)
			failed, ok := errors.AsType[*engine.BuildError](err)
			if !ok || !strings.Contains(failed.Message, c.message) || !strings.Contains(failed.Step, c.step) {
				t.Errorf("err = %v (%#v)", err, failed)
			}
			if c.line != "" && !slices.Contains(l.all, c.line) {
				t.Errorf("no line says %q: %q", c.line, l.all)
			}
		})
	}
}

func TestABuildEndsWithItsContext(t *testing.T) {
	dockertest.Engine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	newer := errors.New("a newer commit came")
	_, err := local(t).Build(ctx, engine.Order{NoCache: true}, files(t, "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"wait\"]\n"), func(l engine.Line) {
		if l.Text == "waiting" {
			cancel(newer)
		}
	})
	if !errors.Is(err, newer) {
		t.Errorf("err = %v", err)
	}
}

// private is a registry that wants an account, and counts the calls with it.
func private(t *testing.T, user, password string) (host string, opened func() int) {
	behind := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="acme"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		n++
		mu.Unlock()
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestAnImageIsPushedAndIsTheBaseOfAnotherWithTheAccountOfDeployYML(t *testing.T) {
	docks, e, l := dockertest.Engine(t), local(t), new(lines)
	host, opened := private(t, "acme", "geheim")
	name := host + "/" + dockertest.ID(t)
	first := tag(t, docks, name+":v1")
	if _, err := e.Build(t.Context(), engine.Order{Tags: []string{first}, Inline: true}, files(t, "FROM scratch\nCOPY probe /probe\n"), l.told); err != nil {
		t.Fatal(err)
	}
	_, err := e.Push(t.Context(), name, "v1", docker.Auth{Server: host, Username: "acme", Password: secret.New("wrong")}, l.told)
	if !errors.Is(err, docker.ErrUnauthorized) {
		t.Errorf("with a wrong password: %v", err)
	}
	account := docker.Auth{Server: host, Username: "acme", Password: secret.New("geheim")}
	digest, err := e.Push(t.Context(), name, "v1", account, l.told)
	if err != nil || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("pushed as %q, %v", digest, err)
	}
	if err := docks.RemoveImage(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	before := opened()
	second := tag(t, docks, name+":v2")
	order := engine.Order{Tags: []string{second}, CacheFrom: []string{first}, Lends: engine.Lends{
		Account: func(registry string) (string, secret.Value, bool) {
			return "acme", secret.New("geheim"), registry == host
		},
	}}
	if _, err := e.Build(t.Context(), order, files(t, "FROM "+name+"@"+digest+"\nLABEL two=2\n"), l.told); err != nil {
		t.Errorf("%v\n%s", err, strings.Join(l.all, "\n"))
	}
	if opened() == before {
		t.Error("the base image was not asked for with the account")
	}
	for _, line := range l.all {
		if strings.Contains(line, "geheim") {
			t.Errorf("a line has the password: %s", line)
		}
	}
}
