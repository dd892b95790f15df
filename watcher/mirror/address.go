package mirror

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// address is a repository's place, taken apart.
type address struct {
	scheme string // "https", "http", "ssh", "file"
	user   string
	secret string // password in the URL; moved into the credentials at once
	host   string // without port
	port   string
	path   string
}

// parseAddress understands https://, ssh://, git@host:path, file:// and plain
// absolute paths; nothing else, and never a program (ext::) or an option.
func parseAddress(text string) (address, error) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return address{}, trouble(ErrAddress, "the repository's url is empty or has control characters in it")
	}
	if filepath.IsAbs(text) {
		return address{scheme: "file", path: filepath.Clean(text)}, nil
	}
	if !strings.Contains(text, "://") {
		return parseSCP(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return address{}, trouble(ErrAddress, "the repository's url cannot be read; write https://host/path.git or git@host:path.git")
	}
	a := address{scheme: u.Scheme, host: u.Hostname(), port: u.Port(), path: u.Path, user: u.User.Username()}
	a.secret, _ = u.User.Password()
	switch {
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && filepath.IsAbs(u.Path):
		return address{scheme: "file", path: filepath.Clean(u.Path)}, nil
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		return address{}, trouble(ErrAddress, "%q is not a way Fairlead reads repositories; use https, ssh or an absolute path", u.Scheme)
	case u.RawQuery != "" || u.Fragment != "":
		return address{}, trouble(ErrAddress, "the repository's url has a ? or # in it; leave that out")
	}
	return a, a.check()
}

// parseSCP understands user@host:path, as git and ssh write it.
func parseSCP(text string) (address, error) {
	place, path, ok := strings.Cut(text, ":")
	if !ok || strings.Contains(place, "/") || strings.HasPrefix(path, ":") {
		return address{}, trouble(ErrAddress, "%q is no repository address; write https://host/path.git, git@host:path.git or an absolute path", text)
	}
	user, host, ok := strings.Cut(place, "@")
	if !ok {
		user, host = "", place
	}
	a := address{scheme: "ssh", user: user, host: host, path: path}
	return a, a.check()
}

func (a address) check() error {
	switch {
	case a.host == "" || strings.HasPrefix(a.host, "-") || strings.HasPrefix(a.user, "-"):
		return trouble(ErrAddress, "the repository's url has no usable host name")
	case strings.Trim(a.path, "/") == "" || strings.HasPrefix(a.path, "-"):
		return trouble(ErrAddress, "the repository's url has no usable path on %s", a.host)
	}
	return nil
}

// hostPort returns host:port with the scheme's usual port filled in.
func (a address) hostPort() string {
	port := a.port
	if port == "" {
		port = map[string]string{"https": "443", "http": "80", "ssh": "22"}[a.scheme]
	}
	return net.JoinHostPort(a.host, port)
}

// String returns the address without credentials, for people.
func (a address) String() string {
	host := a.host
	if a.port != "" {
		host = net.JoinHostPort(a.host, a.port)
	}
	switch a.scheme {
	case "file":
		return a.path
	case "ssh":
		return "ssh://" + host + "/" + strings.TrimPrefix(a.path, "/")
	}
	return a.scheme + "://" + host + a.path
}

// loopback tells whether the host is this machine, where plain http is fine.
func (a address) loopback() bool {
	ip := net.ParseIP(a.host)
	return a.host == "localhost" || (ip != nil && ip.IsLoopback())
}
