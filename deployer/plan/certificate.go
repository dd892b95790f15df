package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
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

// errorPages puts a service's own pages beside the certificates, in a folder
// named by what is in them (Kamal 2.12: error_pages/VERSION).
func errorPages(r *Route, lane release.Lane, role string, pages map[string]string) []File {
	if len(pages) == 0 {
		return nil
	}
	h := sha256.New()
	var files []File
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		_, _ = fmt.Fprintf(h, "%q %q\n", path.Base(name), pages[name])
		files = append(files, File{Path: path.Base(name), Content: secret.New(pages[name])})
	}
	dir := path.Join(lane.String(), "error_pages", role+"-"+hex.EncodeToString(h.Sum(nil)[:6]))
	for i := range files {
		files[i].Path = path.Join(appsOnHost, dir, files[i].Path)
	}
	r.ErrorPages = path.Join(appsInProxy, dir)
	return files
}

// Drops tells whether a folder of that name in s.Folder is one that its role no
// longer uses. Kamal's own folders have no hash and are let be.
func (s DropFolders) Drops(name string) bool {
	role := option.WithoutHash(name)
	return role != name && slices.Contains(s.Roles, role) && !slices.Contains(s.Keep, name)
}

// left returns what ends the certificates and pages on a host that its roles
// no longer use. Nothing tells which there are: it is asked where a role has
// some, or had.
func left(d Desired, o Observed, host string, todo []decision) (steps []Step) {
	for kind, had := range [...]func(Route) bool{func(r Route) bool { return r.TLS }, func(r Route) bool { return r.ErrorPages != "" }} {
		s, any := DropFolders{Folder: path.Join(appsOnHost, d.Lane.String(), [...]string{"tls", "error_pages"}[kind])}, false
		for _, dec := range todo {
			u := dec.unit
			if u.Host != host || u.Route == nil {
				continue
			}
			s.Roles = append(s.Roles, u.Role)
			_, live := o.Hosts[host].Routed(u.Route.Service)
			any = any || live != nil && live.Route != nil && had(*live.Route)
			for _, f := range u.Files {
				if dir, ok := strings.CutPrefix(path.Dir(f.Path), s.Folder+"/"); ok && !slices.Contains(s.Keep, dir) {
					s.Keep, any = append(s.Keep, dir), true
				}
			}
		}
		if any {
			steps = append(steps, s)
		}
	}
	return steps
}
