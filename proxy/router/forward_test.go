package router

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return bytes.Equal(x, y)
}

func options(edit func(*control.Options)) func(*control.DeployRequest) {
	return func(q *control.DeployRequest) { edit(&q.Options) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestForwardedHeadersAreTrustedOnlyWhenAsked(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, func(w http.ResponseWriter, req *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id"} {
			w.Header()["Saw-"+name] = req.Header.Values(name)
		}
		w.Header().Set("Saw-Host", req.Host)
		w.Header().Set("Saw-Start", req.Header.Get("X-Request-Start"))
	})
	claim := []func(*http.Request){header("X-Forwarded-For", "9.9.9.9"), header("X-Forwarded-Proto", "https"), header("X-Forwarded-Host", "claimed"), header("X-Request-Id", "mine")}
	for trust, want := range map[bool][]string{true: {"9.9.9.9, 127.0.0.1", "https", "claimed"}, false: {"127.0.0.1", "http", "app.example.com"}} {
		r.must("shop", []string{address}, options(func(o *control.Options) { o.ForwardHeaders = trust }))
		h := r.get("app.example.com", "/", claim...).header
		got := []string{h.Get("Saw-X-Forwarded-For"), h.Get("Saw-X-Forwarded-Proto"), h.Get("Saw-X-Forwarded-Host")}
		if !equalJSON(t, got, want) || h.Get("Saw-X-Request-Id") != "mine" || h.Get("Saw-Host") != "app.example.com" || !strings.HasPrefix(h.Get("Saw-Start"), "t=") {
			t.Errorf("trust %v: got %q in %v", trust, got, h)
		}
	}
	if id := r.get("app.example.com", "/").header.Get("Saw-X-Request-Id"); len(id) < 20 {
		t.Errorf("no request id was added: %q", id)
	}
}

func TestFailuresHaveTheirStatus(t *testing.T) {
	r := newRig(t)
	hang := make(chan struct{})
	defer close(hang)
	address, _ := target(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/hang":
			<-hang
		case "/drop":
			panic(http.ErrAbortHandler)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 200))
		default:
			_, err := io.Copy(io.Discard, req.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	})
	gone, s := target(t, says(""))
	r.must("gone", []string{gone}, hosts("gone.example.com"))
	s.Close()
	limits := func(o *control.Options) {
		o.TargetTimeout = control.Duration{Duration: 100 * time.Millisecond}
		o.MaxRequestBody, o.MaxResponseBody = 100, 100
	}
	r.must("stream", []string{address}, hosts("stream.example.com"), options(limits))
	r.must("buffer", []string{address}, hosts("buffer.example.com"), options(limits),
		options(func(o *control.Options) { o.BufferRequests, o.BufferResponses, o.BufferMemory = true, true, 10 }))
	r.must("halted", []string{address}, hosts("halted.example.com"))
	if err := r.Stop(t.Context(), control.StopRequest{Service: "halted"}); err != nil {
		t.Fatal(err)
	}
	long := func() io.Reader { return strings.NewReader(strings.Repeat("x", 101)) }
	chunked := func() io.Reader { return struct{ io.Reader }{long()} }
	for _, c := range []struct {
		host, path string
		body       io.Reader
		want       int
	}{
		{"unknown.example.com", "/", nil, 404},
		{"gone.example.com", "/", nil, 502},
		{"stream.example.com", "/drop", nil, 502},
		{"stream.example.com", "/hang", nil, 504},
		{"stream.example.com", "/", long(), 413},
		{"stream.example.com", "/", chunked(), 413},
		{"stream.example.com", "/long", nil, 200},
		{"stream.example.com", "/", strings.NewReader(strings.Repeat("x", 100)), 200},
		{"buffer.example.com", "/", long(), 413},
		{"buffer.example.com", "/", chunked(), 413},
		{"buffer.example.com", "/", strings.NewReader(strings.Repeat("x", 100)), 200},
		{"buffer.example.com", "/long", nil, 500},
		{"halted.example.com", "/", nil, 503},
		{"halted.example.com", "/up", nil, 200},
	} {
		method := http.MethodPost
		if c.body == nil {
			method = http.MethodGet
		}
		if got := r.send(method, c.host, c.path, c.body); got.status != c.want {
			t.Errorf("%s %s%s: got %+v, want %d", method, c.host, c.path, got, c.want)
		}
	}
}

func TestARequestThatReachedATargetIsNeverSentAgain(t *testing.T) {
	var seen atomic.Int32
	// A connection is answered until /once comes, which is read and left by closing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if req.URL.Path == "/once" {
						seen.Add(1)
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	r := newRig(t)
	// Two names of one target: what the first got must not go to the second either.
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r.must("shop", []string{"127.0.0.1:" + port, "localhost:" + port}, func(q *control.DeployRequest) { q.Force = true })
	for method, edit := range map[string]func(*http.Request){
		http.MethodGet:  header("X", "y"),
		http.MethodHead: header("X", "y"),
		http.MethodPost: header("Idempotency-Key", "k"),
	} {
		seen.Store(0)
		for range 2 { // a kept connection to each
			if got := r.get("any", "/warm"); got.body != "ok" {
				t.Fatalf("warm: %+v", got)
			}
		}
		if got := r.send(method, "any", "/once", nil, edit); got.status != 502 || seen.Load() != 1 {
			t.Errorf("%s: status %d, the target saw it %d times", method, got.status, seen.Load())
		}
	}
}

func TestTargetsTakeTurnsAndADeadOneIsPassedOver(t *testing.T) {
	r := newRig(t)
	one, _ := target(t, says("one"))
	// It keeps no connection: on a kept one that has just died a POST may have arrived, and must fail.
	two, s := target(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.Copy(w, req.Body)
	})
	r.must("shop", []string{one, two})
	counts := map[string]int{}
	for range 10 {
		counts[r.send(http.MethodPost, "any", "/", strings.NewReader("two")).body]++
	}
	if counts["one"] != 5 || counts["two"] != 5 {
		t.Errorf("turns: %v", counts)
	}
	s.Close()
	for range 10 {
		if got := r.send(http.MethodPost, "any", "/", strings.NewReader("x")); got.body != "one" {
			t.Errorf("with one dead: %+v", got)
		}
	}
}

func TestAStreamPassesPartByPart(t *testing.T) {
	r := newRig(t)
	next := make(chan struct{})
	address, _ := target(t, func(w http.ResponseWriter, _ *http.Request) {
		// ReverseProxy would flush an event stream by itself; a body of known length it would not.
		w.Header().Set("Content-Length", "27")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	r.must("shop", []string{address})
	resp, err := http.Get(r.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	in := bufio.NewReader(resp.Body)
	for i := range 3 { // each is read before the target writes the next
		line, err := in.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = in.ReadString('\n')
		next <- struct{}{}
	}
}

func TestBufferedBodiesArriveWholeWithTheirLength(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Saw-Length", fmt.Sprint(req.ContentLength))
		body, _ := io.ReadAll(req.Body)
		for part := range slices.Chunk(body, 1000) {
			_, _ = w.Write(part)
			_ = http.NewResponseController(w).Flush()
		}
	})
	for _, size := range []int{0, 1, 9999, 10000, 10001, 300000} {
		r.must("shop", []string{address}, options(func(o *control.Options) { o.BufferRequests, o.BufferResponses, o.BufferMemory = true, true, 10000 }))
		body := strings.Repeat("abcdefghij", size/10+1)[:size]
		got := r.send(http.MethodPost, "any", "/", struct{ io.Reader }{strings.NewReader(body)})
		if got.body != body || got.header.Get("Saw-Length") != fmt.Sprint(size) || got.header.Get("Content-Length") != fmt.Sprint(size) {
			t.Errorf("%d bytes: got %d, headers %v", size, len(got.body), got.header)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.config.Spill, "*")); len(left) > 0 {
		t.Errorf("files left over: %v", left)
	}
}

func TestErrorPagesOfAServiceComeBeforeTheBuiltInOnes(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"503.html": "closed: {{ .Message }}", "5xx.html": "five", "secret.html": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, s := target(t, says(""))
	r.must("shop", []string{address}, hosts("a.example.com"), options(func(o *control.Options) { o.ErrorPages = dir }))
	s.Close()
	if got := r.get("a.example.com", "/"); got.status != 502 || got.body != "five" {
		t.Errorf("got %+v", got)
	}
	if err := r.Stop(t.Context(), control.StopRequest{Service: "shop", Message: "<b>"}); err != nil {
		t.Fatal(err)
	}
	if got := r.get("a.example.com", "/"); got.body != "closed: &lt;b&gt;" {
		t.Errorf("got %+v", got)
	}
	if got := r.get("b.example.com", "/"); got.status != 404 || !strings.Contains(got.body, "No application is served") {
		t.Errorf("got %+v", got)
	}
}

func TestEveryRequestIsOneLogLine(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", "e1")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "four")
	})
	r.must("shop", []string{address}, options(func(o *control.Options) {
		o.LogRequestHeaders, o.LogResponseHeaders = []string{"Accept-Language"}, []string{"ETag"}
	}))
	r.get("a.example.com", "/p?q=1", header("Accept-Language", "fo"), header("User-Agent", "me"), header("X-Request-Id", "id7"))
	for deadline := time.Now().Add(10 * time.Second); r.lines.String() == "" && time.Now().Before(deadline); {
		runtime.Gosched() // the line is written after the answer
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.TrimSpace(r.lines.String())), &line); err != nil {
		t.Fatal(err, r.lines)
	}
	for key, want := range map[string]any{"msg": "Request", "host": "a.example.com", "path": "/p", "query": "q=1", "status": 201.0, "service": "shop",
		"target": address, "method": "GET", "resp_content_length": 4.0, "user_agent": "me", "request_id": "id7", "client_addr": "127.0.0.1",
		"req_accept_language": "fo", "resp_etag": "e1", "scheme": "http", "proto": "HTTP/1.1"} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %v", key, line[key], want)
		}
	}
}

func TestACanonicalHostIsRedirectedTo(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, says("here"))
	r.must("shop", []string{address}, hosts("example.com", "www.example.com"), options(func(o *control.Options) { o.CanonicalHost = "example.com" }))
	if got := r.get("www.example.com", "/a?b=c"); got.status != 301 || got.header.Get("Location") != "http://example.com/a?b=c" {
		t.Errorf("got %+v", got)
	}
	if got := r.get("example.com", "/"); got.body != "here" {
		t.Errorf("got %+v", got)
	}
}

func TestTheCookieSplitsARollout(t *testing.T) {
	r := newRig(t)
	stable, _ := target(t, says("stable"))
	canary, _ := target(t, says("canary"))
	r.must("shop", []string{stable})
	set := func(percent int, list ...string) error {
		return r.RolloutSet(t.Context(), control.SplitRequest{Service: "shop", Split: control.Split{Percent: percent, List: list}})
	}
	if err := set(10); KindOf(err) != control.Invalid {
		t.Errorf("without a target: %v", err)
	}
	if _, err := r.RolloutDeploy(t.Context(), control.RolloutRequest{Service: "shop", Targets: []string{canary}, DeployTimeout: control.Seconds(5)}); err != nil {
		t.Fatal(err)
	}
	share := func() (n int) {
		for i := range 200 {
			if r.get("any", "/", header("Cookie", fmt.Sprintf("kamal-rollout=user-%d", i*7919))).body == "canary" {
				n++
			}
		}
		return n
	}
	for _, c := range []struct{ percent, least, most int }{{0, 0, 0}, {30, 20, 100}, {100, 200, 200}} {
		if err := set(c.percent, "ana"); err != nil {
			t.Fatal(err)
		}
		if n := share(); n < c.least || n > c.most {
			t.Errorf("%d percent: %d of 200", c.percent, n)
		}
		if got := r.get("any", "/", header("Cookie", "kamal-rollout=ana")).body; got != "canary" {
			t.Errorf("listed: %q", got)
		}
		if got := r.get("any", "/").body; got != "stable" {
			t.Errorf("without the cookie: %q", got)
		}
	}
	if err := r.RolloutStop(t.Context(), control.RolloutStopRequest{Service: "shop"}); err != nil || share() != 0 {
		t.Errorf("after stop: %v", err)
	}
}

func TestHTTP2ClientsAreServed(t *testing.T) {
	r := newRig(t)
	address, _ := target(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("X-Forwarded-Proto"))
	})
	r.must("shop", []string{address})
	front := httptest.NewUnstartedServer(r.Router)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	resp, err := front.Client().Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || string(body) != "https" {
		t.Errorf("got %s %q", resp.Proto, body)
	}
}
