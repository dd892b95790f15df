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
)

func TestAProbePrintsTheStatusWhateverItIs(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/up":
			if r.URL.RawQuery != "a=b" || r.Method != http.MethodGet {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/moved":
			http.Redirect(w, r, "/up?a=b", http.StatusMovedPermanently)
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	p := &running{t: t}
	for path, want := range map[string]string{"/up?a=b": "200\n", "/moved": "301\n", "/endless": "200\n", "/sick": "503\n"} {
		if o := p.try("probe", s.URL+path); o != (outcome{0, want, ""}) {
			t.Errorf("%s: %+v", path, o)
		}
	}
}

func TestAProbeThatNobodyAnswersSaysWhy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := fmt.Sprint("http://", l.Addr(), "/up") // accepted by the kernel, answered by nobody
	defer func() { _ = l.Close() }()
	p := &running{t: t}
	for address, want := range map[string]string{
		fmt.Sprint("http://127.0.0.1:", freePort(t), "/up"): "connection refused",
		"https://127.0.0.1/up":                              "is not http://HOST:PORT/PATH",
		"/up":                                               "is not http://HOST:PORT/PATH",
	} {
		if o := p.try("probe", address); o.code != 1 || o.out != "" || !strings.Contains(o.err, want) {
			t.Errorf("%s: %+v", address, o)
		}
	}
	start := time.Now()
	if o := p.try("probe", silent, "--timeout", "50ms"); o.code != 1 || !strings.Contains(o.err, "no answer within 50ms") || time.Since(start) > 10*time.Second {
		t.Errorf("after %s: %+v", time.Since(start), o)
	}
}
