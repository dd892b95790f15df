package setup

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// gitAddress is where a repository that is reached by SSH lives.
type gitAddress struct {
	host string
	port int    // 0: SSH's
	path string // OWNER/NAME, without .git
}

// sshAddress takes ssh://[USER@]HOST[:PORT]/PATH and [USER@]HOST:PATH apart;
// false for other forms. Whether it can be used is package mirror's to say.
func sshAddress(text string) (gitAddress, bool) {
	if strings.HasPrefix(text, "ssh://") {
		u, err := url.Parse(text)
		if err != nil {
			return gitAddress{}, false
		}
		port, _ := strconv.Atoi(u.Port()) // "" is 0
		return gitAddress{u.Hostname(), port, repositoryPath(u.Path)}, true
	}
	place, rest, ok := strings.Cut(text, ":")
	if !ok || strings.HasPrefix(rest, "//") || strings.Contains(place, "/") {
		return gitAddress{}, false
	}
	if _, host, found := strings.Cut(place, "@"); found {
		place = host
	}
	return gitAddress{place, 0, repositoryPath(rest)}, true
}

func repositoryPath(p string) string {
	return strings.TrimSuffix(strings.Trim(p, "/"), ".git")
}

// hostPort is where its SSH server listens.
func (a gitAddress) hostPort() string {
	return net.JoinHostPort(a.host, strconv.Itoa(orPort(a.port)))
}

func orPort(port int) int {
	if port == 0 {
		return 22
	}
	return port
}

// target is what `fairlead host trust` takes for it.
func (a gitAddress) target() string {
	if a.port == 0 || a.port == 22 {
		return a.host
	}
	return a.hostPort()
}

var notName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// nameOf is a repository's name in fairlead.yml, made from its address.
func nameOf(text string) string {
	p := text
	if a, ok := sshAddress(text); ok {
		p = a.path
	} else if u, err := url.Parse(text); err == nil {
		p = repositoryPath(u.Path)
	}
	return strings.TrimLeft(notName.ReplaceAllString(path.Base(p), "-"), "._-")
}

// same tells whether two addresses are of one repository, however written.
func same(a, b string) bool { return plain(a) == plain(b) }

func plain(text string) string {
	if a, ok := sshAddress(text); ok {
		return strings.ToLower(a.hostPort()) + "/" + a.path
	}
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return strings.ToLower(u.Host) + "/" + repositoryPath(u.Path)
	}
	return path.Clean(strings.TrimSuffix(strings.TrimPrefix(text, "file://"), ".git"))
}
