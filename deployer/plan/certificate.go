package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan/front"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// certificate is a role's own, which the route names.
func certificate(r *Route, lane release.Lane, role spec.Role, secrets map[string]secret.Value) []File {
	files, dir := front.Certificate(lane.String(), role.Name, secrets[role.Proxy.SSL.CertificatePEM], secrets[role.Proxy.SSL.PrivateKeyPEM])
	r.TLSCert, r.TLSKey = path.Join(dir, "cert.pem"), path.Join(dir, "key.pem")
	return files
}

// errorPages are a service's own, which the route names.
func errorPages(r *Route, lane release.Lane, role string, pages map[string]string) (files []File) {
	files, r.ErrorPages = front.Pages(lane.String(), role, pages)
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
		s, any := DropFolders{Folder: path.Join(front.OnHost, d.Lane.String(), [...]string{"tls", "error_pages"}[kind])}, false
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
