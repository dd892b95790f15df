package plan_test

import (
	"slices"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const tlsFolder = ".kamal/proxy/apps-config/shop/tls"

// certified is a desired state whose web has a certificate of its own; "" is
// none.
func certified(d plan.Desired, hash string) plan.Desired {
	return routed(d, func(r *plan.Route) {
		if r.TLS = hash != ""; !r.TLS {
			return
		}
		r.TLSCert, r.TLSKey = "/home/kamal-proxy/.apps-config/shop/tls/web-"+hash+"/cert.pem", "/home/kamal-proxy/.apps-config/shop/tls/web-"+hash+"/key.pem"
		for i := range d.Units {
			if d.Units[i].Route == r {
				d.Units[i].Files = []plan.File{{Path: tlsFolder + "/web-" + hash + "/cert.pem", Content: secret.New(hash)}}
			}
		}
	})
}

// drops are the certificates' steps by host, which must be in the last stage.
func drops(t *testing.T, p plan.Plan) map[string]plan.DropFolders {
	t.Helper()
	found := map[string]plan.DropFolders{}
	for _, st := range p.Stages {
		for host, steps := range st.Steps {
			for _, s := range steps {
				if s, ok := s.(plan.DropFolders); ok {
					if found[host] = s; st.Name != plan.StageFinish {
						t.Errorf("old certificates go in stage %s", st.Name)
					}
				}
			}
		}
	}
	return found
}

func TestOldCertificatesOfARoleGoAfterASuccessAndNoOthers(t *testing.T) {
	const before, after = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
	for name, tells := range map[string]bool{"our proxy": true, "kamal-proxy": false} {
		m := newModel()
		m.tells, m.lists = tells, !tells
		m.reach(certified(desired("r1", "v1", webA, webB), before))
		got := drops(t, plan.Make(certified(desired("r2", "v2", webA, webB), after), m.observed()))
		for _, host := range []string{"a", "b"} {
			s, ok := got[host]
			if !ok || s.Folder != tlsFolder || !slices.Equal(s.Roles, []string{"web"}) {
				t.Fatalf("%s: on %s: %+v", name, host, s)
			}
			for entry, goes := range map[string]bool{
				"web-" + before: true, "web-" + after: false, "web": false, "web-blue-" + before: false, "admin-" + before: false, "web-" + before + ".old": false,
			} {
				if s.Drops(entry) != goes {
					t.Errorf("%s: that %s goes is %t", name, entry, !goes)
				}
			}
		}
		got = drops(t, plan.Make(certified(desired("r2", "v2", webA, webB), ""), m.observed()))
		if s := got["a"]; !s.Drops("web-" + before) {
			t.Errorf("%s: once the file has no certificate, the last one stays: %+v", name, s)
		}
	}
	m := newModel()
	m.tells = true
	m.reach(desired("r1", "v1", webA))
	if got := drops(t, plan.Make(desired("r2", "v2", webA), m.observed())); len(got) > 0 {
		t.Errorf("a service that never had a certificate: %+v", got)
	}
}
