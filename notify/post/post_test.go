package post

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
)

func TestDeniedAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true, "fe80::1": true,
		"fe80::1%eth0": true, "febf::1": true, "fd00:ec2::254": true, "100.100.100.200": true, "0.0.0.0": true, "::": true,
		"224.0.0.1": true, "ff02::1": true, "::ffff:0.0.0.0": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "fd00::1": false, "93.184.216.34": false,
		"100.100.100.201": false, "64:ff9b::5db8:d822": false, "169.253.1.1": false, "2001:db8::1": false,
	} {
		if got := Denied(netip.MustParseAddr(address)); got != want {
			t.Errorf("Denied(%s) = %t", address, got)
		}
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]bool{
		"https://x.example/hook?a=b": true, "http://127.0.0.1:8080": true, "http://[::1]/": true,
		"": false, "x.example/hook": false, "ftp://x": false, "file:///etc/passwd": false, "https://": false, "http://:80": false,
		"https://x/%zz": false, "unix:///run/docker.sock": false,
	} {
		if got := CheckURL(secret.New(url)) == nil; got != want {
			t.Errorf("CheckURL(%q) passes: %t", url, got)
		}
	}
}

// silent is a network that never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestASilentReceiverIsLeftAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{http: &http.Client{Transport: silent{}}}
		from := time.Now()
		_, err := c.Do(t.Context(), Request{URL: secret.New("http://127.0.0.1/")})
		if e, ok := errors.AsType[*notify.Error](err); !ok || e.Kind != notify.Temporary || !errors.Is(err, errDeadline) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(from); took != Deadline {
			t.Errorf("left after %s", took)
		}
	})
}

// direct is a client that no proxy of the environment comes between.
func direct(t *testing.T) *Client {
	t.Helper()
	c := New()
	c.http.Transport.(*http.Transport).Proxy = nil
	t.Cleanup(c.Close)
	return c
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var led atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	defer inside.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		outside := httptest.NewServer(http.RedirectHandler(inside.URL+"/latest/meta-data/", status))
		reply, err := direct(t).Do(t.Context(), Request{URL: secret.New(outside.URL), Body: []byte("{}")})
		if err != nil || reply.Status != status || reply.Check() == nil {
			t.Errorf("%d: got %d, %v, good: %t", status, reply.Status, err, reply.Check() == nil)
		}
		outside.Close()
	}
	if n := led.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestADeniedAddressIsNotDialledHoweverItIsWritten(t *testing.T) {
	for _, url := range []string{"http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://169.254.169.254:80/", "http://user:word@169.254.169.254/",
		"http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
		"http://100.100.100.200/", "http://0.0.0.0/", "http://[::]/", "http://169.254.169.254#@hooks.example.com/", "http://169.254.169.254\\@hooks.example.com/"} {
		_, err := direct(t).Do(t.Context(), Request{URL: secret.New(url)})
		if e, ok := errors.AsType[*notify.Error](err); !ok || e.Kind != notify.Broken || strings.Contains(err.Error(), "meta-data") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
