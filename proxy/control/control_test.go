package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsLeftOutOfADeployHasItsDefault(t *testing.T) {
	var got DeployRequest
	if err := Decode(strings.NewReader(`{"service":"shop","targets":["app:3000"],"options":{"hosts":["a"],"health_check":{"path":"/ok"}}}`), &got); err != nil {
		t.Fatal(err)
	}
	want := NewDeployRequest("shop", "app:3000")
	want.Options.Hosts, want.Options.HealthCheck.Path = []string{"a"}, "/ok"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAMisspeltOrOversizedRequestIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"misspelt":      `{"service":"shop","target":["x"]}`,
		"misspelt deep": `{"service":"shop","options":{"health_check":{"intervall":"1s"}}}`,
		"a bare number": `{"service":"shop","drain_timeout":30}`,
		"two":           `{"service":"shop"}{}`,
		"nothing":       ``,
		"too long":      `{"service":"` + strings.Repeat("x", MaxBody) + `"}`,
	} {
		var q DeployRequest
		err := Decode(strings.NewReader(text), &q)
		if known, ok := errors.AsType[*Error](err); !ok || known.Kind != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// serving answers every call on a socket by h.
func serving(t *testing.T, h http.HandlerFunc) Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return Unix(path)
}

func TestAFailureKeepsItsKindOverTheSocket(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(Errorf(Conflict, "taken by %q", "a"))
	})
	_, err := c.Deploy(t.Context(), NewDeployRequest("shop", "x:1"))
	if known, ok := errors.AsType[*Error](err); !ok || known.Kind != Conflict || known.Text != `taken by "a"` {
		t.Errorf("got %#v", err)
	}
}

func TestAnAnswerThatIsNoneOfOursIsAnUnknownOutcome(t *testing.T) {
	c := serving(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	err := c.Remove(t.Context(), "shop")
	if _, ours := errors.AsType[*Error](err); ours || err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("got %v", err)
	}
}

func TestACallerThatGivesUpIsToldWhy(t *testing.T) {
	c := serving(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("the rollout ended"))
	defer cancel()
	if _, err := c.List(ctx); err == nil || !strings.Contains(err.Error(), "the rollout ended") {
		t.Errorf("got %v", err)
	}
}

// TestAProxyThatNeverAnswersIsGivenUp has one read what it is told, and no more.
func TestAProxyThatNeverAnswersIsGivenUp(t *testing.T) {
	deploy := NewDeployRequest("shop", "x:1")
	deploy.DeployTimeout, deploy.DrainTimeout = Seconds(20), Seconds(40)
	for name, c := range map[string]struct {
		call func(context.Context, Client) error
		want time.Duration // the times that were asked for, and 15 s
	}{
		"deploy": {func(ctx context.Context, c Client) error { _, err := c.Deploy(ctx, deploy); return err }, 75 * time.Second},
		"list":   {func(ctx context.Context, c Client) error { _, err := c.List(ctx); return err }, 15 * time.Second},
		"remove": {func(ctx context.Context, c Client) error { return c.Remove(ctx, "shop") }, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mute := Client{Dial: func(context.Context) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, theirs) }() // ends with the connection
					return ours, nil
				}}
				began := time.Now()
				err := c.call(t.Context(), mute)
				if took := time.Since(began); err == nil || took != c.want || !strings.Contains(err.Error(), "no answer from the proxy within "+c.want.String()) {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

func TestNoProxyIsSaidWithTheRemedy(t *testing.T) {
	_, err := Unix(filepath.Join(t.TempDir(), "none")).About(t.Context())
	if err == nil || !strings.Contains(err.Error(), "kamal-proxy run") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	text, _ := json.Marshal(NewDeployRequest("shop", "app:3000"))
	f.Add(string(text))
	f.Add(`{"options":{"tls":{"enabled":true}},"deploy_timeout":"1h"}`)
	f.Add(`{"service":null,"options":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		var q DeployRequest
		if err := Decode(strings.NewReader(text), &q); err != nil {
			return
		}
		once, err := json.Marshal(q)
		if err != nil {
			t.Fatalf("decoded, but not encoded: %v", err)
		}
		var again DeployRequest
		if err := Decode(strings.NewReader(string(once)), &again); err != nil {
			t.Fatalf("encoded, but not decoded: %v", err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(once) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}
