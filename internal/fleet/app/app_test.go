package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

func serve(t *testing.T, vars map[string]string) *httptest.Server {
	t.Helper()
	k, err := knobsFrom(func(name string) string { return vars[name] })
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(routes(k))
	t.Cleanup(srv.Close)
	return srv
}

func ask(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	return ask(t, request(t, http.MethodGet, url, nil))
}

func TestPagesAnswerAsDocumented(t *testing.T) {
	t.Setenv("COLOUR", "blue")
	srv := serve(t, map[string]string{"VERSION": "v7"})
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/version":          {200, "v7"},
		"/up":               {200, "OK"},
		"/slow?ms=1":        {200, "done v7"},
		"/slow?ms=-1":       {400, "say ?ms=500"},
		"/slow":             {400, "say ?ms=500"},
		"/env?name=COLOUR":  {200, "blue"},
		"/env?name=NOTHING": {404, "not set"},
		"/nowhere":          {404, "404 page not found"},
	} {
		if code, body := get(t, srv.URL+path); code != want.code || body != want.body {
			t.Errorf("GET %s: %d %q, want %d %q", path, code, body, want.code, want.body)
		}
	}
	post := request(t, http.MethodPost, srv.URL+"/echo", strings.NewReader("hello"))
	if code, body := ask(t, post); code != 200 || body != "hello" {
		t.Errorf("POST /echo: %d %q", code, body)
	}
}

func TestHealthIsAsBadAsTold(t *testing.T) {
	for health, want := range map[string][]int{
		"": {200, 200}, "ok": {200, 200}, "fail": {500, 500}, "flap": {200, 500, 200, 500}, "redirect": {302, 302},
	} {
		srv := serve(t, map[string]string{"HEALTH": health})
		for i, code := range want {
			if got, body := get(t, srv.URL+"/up"); got != code {
				t.Errorf("HEALTH=%s, request %d: %d %q, want %d", health, i+1, got, body, code)
			}
		}
	}
}

func TestAHangingHealthCheckEndsWithItsClient(t *testing.T) {
	srv := serve(t, map[string]string{"HEALTH": "hang"})
	client := &http.Client{Timeout: 100 * time.Millisecond}
	if resp, err := client.Get(srv.URL + "/up"); err == nil {
		t.Errorf("answered %s", resp.Status)
	}
}

func TestTheWebsocketEchoes(t *testing.T) {
	srv := serve(t, nil)
	c, err := websocket.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/ws", "", srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got string
	if err := websocket.Message.Send(c, "ping"); err != nil {
		t.Fatal(err)
	}
	if err := websocket.Message.Receive(c, &got); err != nil || got != "ping" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWrongKnobsAreNamedTogether(t *testing.T) {
	vars := map[string]string{"HEALTH": "great", "BOOT_DELAY": "soon", "EXIT": "yes"}
	_, err := knobsFrom(func(name string) string { return vars[name] })
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"great", "soon", "yes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
}
