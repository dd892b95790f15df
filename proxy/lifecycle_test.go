package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// slow is a target whose requests, but for /up, wait to be let go.
func slow(t *testing.T) (address string, arrived, let chan struct{}) {
	t.Helper()
	arrived, let = make(chan struct{}, 10), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" {
			arrived <- struct{}{}
			<-let
		}
		_, _ = io.WriteString(w, "finished")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), arrived, let
}

func TestANewProxyTakesOverThePortWhileTheFormerFinishesItsRequests(t *testing.T) {
	home := t.TempDir()
	former := start(t, home)
	address, arrived, let := slow(t)
	former.must("deploy", "shop", "--target", address)
	type result struct {
		code int
		body string
	}
	answer := make(chan result, 1)
	go func() { code, body := former.get("any", "/"); answer <- result{code, body} }()
	<-arrived
	ended := make(chan struct{})
	go func() { former.end(); close(ended) }()
	for _, port := range []int{former.port, former.tls} { // it listens no more
		for reachable(t, port) {
		}
	}
	next := startWith(&running{t: t, env: former.env, port: former.port, tls: former.tls})
	fresh := make(chan result, 1)
	go func() { code, body := next.get("any", "/"); fresh <- result{code, body} }()
	<-arrived
	select {
	case <-ended:
		t.Error("the former did not wait for its request")
	default:
	}
	close(let)
	for _, c := range []chan result{answer, fresh} {
		if got := <-c; got.code != 200 || got.body != "finished" {
			t.Errorf("got %+v", got)
		}
	}
	<-ended
}

func reachable(t *testing.T, port int) bool {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func TestASecondProxyOnTheSamePortIsRefused(t *testing.T) {
	p := start(t, t.TempDir())
	home := t.TempDir()
	other := &running{t: t, env: map[string]string{"HOME": home, "XDG_RUNTIME_DIR": home}}
	o := other.try("run", "--http-port", fmt.Sprint(p.port), "--https-port", "0")
	if o.code != 1 || !strings.Contains(o.err, "address already in use") {
		t.Errorf("got %+v", o)
	}
	p.must("health")
}

func TestASecondProxyOnTheSameSocketIsRefused(t *testing.T) {
	home := t.TempDir()
	p := start(t, home)
	o := p.try("run", "--http-port", "0", "--https-port", "0")
	if o.code != 1 || !strings.Contains(o.err, "another proxy answers there") {
		t.Errorf("got %+v", o)
	}
	p.must("health")
}

func TestOptionsOfRunComeFromTheEnvironmentUnlessGiven(t *testing.T) {
	for _, c := range []struct {
		env   map[string]string
		given string
		want  int
		fails bool
	}{
		{map[string]string{"HTTP_PORT": "8080"}, "", 8080, false},
		{map[string]string{"HTTP_PORT": "8080", "KAMAL_PROXY_HTTP_PORT": "9090"}, "", 9090, false},
		{map[string]string{"HTTP_PORT": "8080"}, "http-port", 80, false},
		{map[string]string{"HTTP_PORT": "eighty"}, "", 0, true},
		{map[string]string{"DEBUG": "maybe"}, "", 80, true},
		{nil, "", 80, false},
	} {
		s := settings{httpPort: 80, env: func(name string) string { return c.env[name] }}
		err := s.fromEnvironment(func(flag string) bool { return flag == c.given })
		if (err != nil) != c.fails || !c.fails && s.httpPort != c.want {
			t.Errorf("%v given %q: port %d, %v", c.env, c.given, s.httpPort, err)
		}
	}
}

func TestForwardHeadersFollowTLSUnlessGiven(t *testing.T) {
	p := start(t, t.TempDir())
	cert, key := selfSigned(t, "a.example.com")
	secure := []string{"--host", "a.example.com", "--tls", "--tls-certificate-path", cert, "--tls-private-key-path", key}
	for _, c := range []struct {
		args []string
		want bool
	}{{nil, true}, {secure, false}, {append(secure, "--forward-headers"), true}, {[]string{"--forward-headers=false"}, false}} {
		p.must(append([]string{"deploy", "shop", "--target", app(t, "x")}, c.args...)...)
		services, err := control.Unix(p.env["XDG_RUNTIME_DIR"] + "/kamal-proxy.sock").List(t.Context())
		if err != nil || services[0].Options.ForwardHeaders != c.want {
			t.Errorf("%q: got %+v, %v", c.args, services, err)
		}
	}
}

func TestRolloutByTheCommandLine(t *testing.T) {
	p := start(t, t.TempDir())
	p.must("deploy", "shop", "--target", app(t, "stable"))
	p.must("rollout", "deploy", "shop", "--target", app(t, "canary"))
	p.must("rollout", "set", "shop", "--list", "ana,bo")
	req, _ := http.NewRequest(http.MethodGet, p.url, nil)
	req.AddCookie(&http.Cookie{Name: "kamal-rollout", Value: "bo"})
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); string(body) != "canary" {
		t.Errorf("got %q", body)
	}
	p.must("rollout", "stop", "shop")
	p.must("pause", "shop", "--max-pause", "1ms")
	if code, _ := p.get("any", "/"); code != 504 {
		t.Errorf("paused: %d", code)
	}
	for _, wrong := range [][]string{{"rollout", "set", "shop"}, {"deploy", "shop"}, {"deploy"}, {"deploy", "shop", "--target", "x", "--nonsense"}, {"nonsense"}} {
		if o := p.try(wrong...); o.code != 1 || o.err == "" {
			t.Errorf("%q: %+v", wrong, o)
		}
	}
}
