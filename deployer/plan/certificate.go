package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Where the proxy's folder of app files is, on the host and in its container.
const (
	appsOnHost  = ".kamal/proxy/apps-config"
	appsInProxy = "/home/kamal-proxy/.apps-config"
)

// certificate puts a role's own certificate below the folder that the proxy
// mounts (Kamal 2.12: .kamal/proxy/apps-config/SERVICE[-DEST]/tls).
func certificate(r *Route, lane release.Lane, role spec.Role, secrets map[string]secret.Value) []File {
	cert, key := secrets[role.Proxy.SSL.CertificatePEM], secrets[role.Proxy.SSL.PrivateKeyPEM]
	sum := sha256.Sum256([]byte(cert.Reveal()))
	dir := path.Join(lane.String(), "tls", role.Name+"-"+hex.EncodeToString(sum[:6]))
	r.TLSCert = path.Join(appsInProxy, dir, "cert.pem")
	r.TLSKey = path.Join(appsInProxy, dir, "key.pem")
	return []File{
		{Path: path.Join(appsOnHost, dir, "cert.pem"), Content: cert},
		{Path: path.Join(appsOnHost, dir, "key.pem"), Content: key, Secret: true},
	}
}

var ours = regexp.MustCompile(`^(.+)-[0-9a-f]{12}$`)

// Drops tells whether a folder of that name in s.Folder is a certificate that
// its role no longer uses. Kamal's own folders have no hash and are let be.
func (s DropCertificates) Drops(name string) bool {
	m := ours.FindStringSubmatch(name)
	return m != nil && slices.Contains(s.Roles, m[1]) && !slices.Contains(s.Keep, name)
}

// certificatesLeft returns what ends the certificates on a host that its roles
// no longer use. Nothing tells which there are: it is asked where a role has
// one, or had.
func certificatesLeft(d Desired, o Observed, host string, todo []decision) (DropCertificates, bool) {
	s, had := DropCertificates{Folder: path.Join(appsOnHost, d.Lane.String(), "tls")}, false
	for _, dec := range todo {
		u := dec.unit
		if u.Host != host || u.Route == nil {
			continue
		}
		s.Roles = append(s.Roles, u.Role)
		_, live := o.Hosts[host].routed(u.Route.Service)
		had = had || len(u.Files) > 0 || live != nil && live.Route != nil && live.Route.TLS
		for _, f := range u.Files {
			if dir, ok := strings.CutPrefix(path.Dir(f.Path), s.Folder+"/"); ok && !slices.Contains(s.Keep, dir) {
				s.Keep = append(s.Keep, dir)
			}
		}
	}
	return s, had
}
