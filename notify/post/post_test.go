package post

import (
	"errors"
	"net/http"
	"net/netip"
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
