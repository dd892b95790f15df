package registry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPlainHTTPIsSpokenOnlyWhereItIsAllowed(t *testing.T) {
	reached := errors.New("reached")
	for host, allowed := range map[string]bool{
		"127.0.0.1:5000": true, "localhost:5000": true, "[::1]:5000": true, "10.0.0.5:5000": true,
		"10.0.0.6:5000": false, "192.168.1.1": false, "registry.example.com": false,
	} {
		g := &guard{plain: []string{"10.0.0.5:5000"}, next: roundTrip(func(*http.Request) (*http.Response, error) { return nil, reached })}
		_, err := g.RoundTrip(httptest.NewRequest(http.MethodGet, "http://"+host+"/v2/", nil))
		if errors.Is(err, reached) != allowed {
			t.Errorf("%s: got %v; allowed is %v", host, err, allowed)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestARetryAfterIsReadAsSecondsOrDateAndBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-3": 0, "0": 0, "90": 90 * time.Second, "999999999": maxRetryAfter,
		"Mon, 23 Nov 2026 06:01:00 GMT": time.Minute, "Mon, 23 Nov 2026 05:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: got %s; want %s", header, got, want)
		}
	}
}

func TestABodyPastItsBoundIsAnErrorAndNotAnEnd(t *testing.T) {
	read := func(size int) error {
		_, err := io.Copy(io.Discard, &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10})
		return err
	}
	if err := read(10); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	if err := read(11); err == nil {
		t.Error("past the bound: no error")
	}
}

func TestAForeignErrorStaysOnOneShortLine(t *testing.T) {
	got := oneLine(errors.New("a\r\n\x1b[31mb " + strings.Repeat("é", 400)))
	if strings.ContainsAny(got, "\r\n\x1b") || len(got) > maxDetail+len("…") || !strings.HasPrefix(got, "a [31mb é") {
		t.Errorf("got %q", got)
	}
}
