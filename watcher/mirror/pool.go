package mirror

import (
	"net/http"
)

// Pool is what mirrors share: connections to hosts, and the folder in which
// copies are kept where a server allows no partial fetch.
type Pool struct {
	dir  string
	http *http.Transport
	ssh  *sshPool
}

// NewPool makes a pool that keeps its copies under dir, which it makes when
// first needed.
func NewPool(dir string) *Pool {
	return &Pool{dir: dir, http: newHTTPTransport(), ssh: newSSHPool()}
}

// Close ends all connections. Mirrors of the pool must be idle.
func (p *Pool) Close() {
	p.http.CloseIdleConnections()
	p.ssh.close()
}
