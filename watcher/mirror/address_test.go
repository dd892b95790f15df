package mirror

import (
	"errors"
	"strings"
	"testing"
)

func TestAddressesAreReadAsGitReadsThem(t *testing.T) {
	for text, want := range map[string]address{
		"https://github.com/acme/shop.git":       {scheme: "https", host: "github.com", path: "/acme/shop.git"},
		"https://bo:pw@git.example.com:8443/x":   {scheme: "https", user: "bo", secret: "pw", host: "git.example.com", port: "8443", path: "/x"},
		"git@github.com:acme/shop.git":           {scheme: "ssh", user: "git", host: "github.com", path: "acme/shop.git"},
		"github.com:/srv/shop.git":               {scheme: "ssh", host: "github.com", path: "/srv/shop.git"},
		"ssh://git@git.example.com:2222/~bo/x":   {scheme: "ssh", user: "git", host: "git.example.com", port: "2222", path: "/~bo/x"},
		"ssh://[2001:db8::1]/x.git":              {scheme: "ssh", host: "2001:db8::1", path: "/x.git"},
		"/srv/git/shop.git/":                     {scheme: "file", path: "/srv/git/shop.git"},
		"file:///srv/git/my%20shop.git":          {scheme: "file", path: "/srv/git/my shop.git"},
		"file://localhost/srv/git/shop.git":      {scheme: "file", path: "/srv/git/shop.git"},
		"http://127.0.0.1:3000/acme/my shop.git": {scheme: "http", host: "127.0.0.1", port: "3000", path: "/acme/my shop.git"},
	} {
		got, err := parseAddress(text)
		if err != nil || got != want {
			t.Errorf("%s = %+v, %v; want %+v", text, got, err, want)
		}
		if strings.Contains(got.String(), "pw") {
			t.Errorf("%s is shown with its password", text)
		}
	}
}

func TestAddressesThatCouldRunSomethingAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "shop", "./shop.git", "../shop.git", "--upload-pack=touch x", "-oProxyCommand=x:y", "ext::sh -c touch% x", "ssh://-oProxyCommand=x/y",
		"ssh://git@-x/y", "git@host:-x", "git@host:", "https://", "https:///x", "https://host/", "git://host/x", "file://other/x", "file://x",
		"https://host/x?y=1", "https://host/x#y", "https://host/\n", "ssh://host/a\x00b", "javascript:alert(1)//", "::x", "https://[::1/x",
	} {
		if a, err := parseAddress(text); err == nil && (a.scheme != "ssh" || strings.HasPrefix(text, "-")) {
			t.Errorf("%q was read as %+v", text, a)
		} else if err != nil && !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzAnAddressIsUsableOrRefused(f *testing.F) {
	for _, s := range []string{"git@github.com:acme/shop.git", "https://a:b@c:1/d", "/x", "file:///x", "ext::x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		if a.path == "" || (a.scheme != "file" && a.host == "") || strings.HasPrefix(a.host, "-") {
			t.Errorf("%q = %+v", text, a)
		}
	})
}
