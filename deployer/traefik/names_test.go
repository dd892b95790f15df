package traefik_test

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
)

// names are those that a service's file gives to anything, with their kinds.
func names(t *testing.T, s traefik.Service) map[string]bool {
	t.Helper()
	text, err := traefik.Write(s, traefik.Read(container.Observed{Spec: container.Spec{Cmd: []string{web, secure, le}}}))
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		HTTP map[string]map[string]any
	}
	if err := yaml.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for kind, named := range said.HTTP {
		for name := range named {
			all[kind+" "+name] = true
		}
	}
	return all
}

// Of two files that have a name, Traefik keeps the first (pkg/provider/file:
// "already configured, skipping").
func TestNoFileHasANameOfAnotherServicesFile(t *testing.T) {
	services := []string{
		"blog-web", "aaa-web", "shop-web", // what follows are services or roles called like parts of another's file
		"shop-web-next", "fairlead-shop-web", "fairlead-shop-web-next", "shop-web-http", "shop-web-https", "shop-web-wildcard", "shop-web-strip", "shop-web-buffering", "shop-web-fairlead", "fairlead",
	}
	labels := map[string]string{}
	for _, s := range append(services, "shop-web-fairlead-next", "fairlead", "next", "live", "", "auth") {
		labels["traefik.http.routers."+s+".rule"] = "Host(`x`)"
		labels["traefik.http.services."+s+".loadbalancer.server.port"] = "9"
		labels["traefik.http.middlewares."+s+".compress"] = "true"
	}
	of := map[string]string{}
	for _, service := range services {
		one := a(func(a *traefik.Assigned) {
			a.Route.Service, a.Labels = service, traefik.Labels(labels)
			a.Route.Hosts, a.Route.PathPrefixes, a.Route.StripPrefix = []string{"a.example.com", "*.example.com"}, []string{"/x"}, true
			a.Route.TLS, a.Route.TLSRedirect, a.Route.MaxRequestBody = true, true, 1000
		})
		for name := range names(t, traefik.Service{Live: one, Next: one}) {
			if other, both := of[name]; both {
				t.Errorf("%s is in the files of %s and %s", name, service, other)
			}
			of[name] = service
		}
	}
	if len(of) < 100 || of["routers blog-web"] != "blog-web" || of["routers aaa-web.blog-web"] != "aaa-web" || of["middlewares blog-web.auth"] != "blog-web" {
		t.Errorf("%d names, such as %s", len(of), of["routers aaa-web.blog-web"])
	}
}

func TestLabelsNameEachOtherAndOthersAsTheyDidBefore(t *testing.T) {
	got := said(t, traefik.Service{Live: a(func(a *traefik.Assigned) {
		a.Labels = map[string]string{
			"traefik.http.middlewares.auth.basicauth.users":                  "a:b",
			"traefik.http.middlewares.zip.compress":                          "true",
			"traefik.http.middlewares.both.chain.middlewares":                "auth, zip@docker",
			"traefik.http.middlewares.page.errors.service":                   "side",
			"traefik.http.middlewares.head.headers.customrequestheaders.For": "auth",
			"traefik.http.routers.r.middlewares":                             "both,page@docker, other@docker,auth@file,blog-web.auth, Auth",
			"traefik.http.routers.r.service":                                 "side",
			"traefik.http.routers.s.Service":                                 "api@internal",
			"traefik.http.routers.u.service":                                 "shop-web",
			"traefik.http.services.side.loadbalancer.server.port":            "9000",
		}
	})}, web)
	for key, want := range map[string]string{
		"middlewares.shop-web.both.chain.middlewares":                `["shop-web.auth","shop-web.zip"]`,
		"middlewares.shop-web.page.errors.service":                   `"shop-web.side"`,
		"middlewares.shop-web.head.headers.customRequestHeaders.For": `"auth"`,
		"routers.shop-web.r.middlewares":                             `["shop-web.both","shop-web.page","other@docker","auth@file","blog-web.auth","Auth"]`,
		"routers.shop-web.r.service":                                 `"shop-web.side"`,
		"routers.shop-web.s.service":                                 `"api@internal"`,
		"routers.shop-web.u.service":                                 `"shop-web"`,
	} {
		if got["http."+key] != want {
			t.Errorf("%s is %s, want %s", key, got["http."+key], want)
		}
	}
}

func TestNoLabelIsAtFairleadsEntrypointOrGoesBeforeItsQuestions(t *testing.T) {
	for name, c := range map[string]struct{ labels, want map[string]string }{
		"its name alone":       {map[string]string{"entrypoints": "fairlead"}, map[string]string{"entryPoints": ""}},
		"among others":         {map[string]string{"EntryPoints": "web, Fairlead,x"}, map[string]string{"entryPoints": `["web","x"]`}},
		"the highest priority": {map[string]string{"priority": "9223372036854774807"}, map[string]string{"priority": "2147482646"}},
		"Fairlead's priority":  {map[string]string{"priority": "2147482647"}, map[string]string{"priority": "2147482646"}},
		"any other":            {map[string]string{"priority": "1000", "entrypoints": "web"}, map[string]string{"priority": "1000", "entryPoints": `["web"]`}},
	} {
		got := said(t, traefik.Service{Live: a(func(a *traefik.Assigned) {
			a.Labels = map[string]string{"traefik.http.routers.r.rule": "PathPrefix(`/`)"}
			for option, value := range c.labels {
				a.Labels["traefik.http.routers.r."+option] = value
			}
		})}, web)
		for option, want := range c.want {
			if is := got["http.routers.shop-web.r."+option]; is != want {
				t.Errorf("%s: %s is %s, want %s", name, option, is, want)
			}
		}
		if got["http.routers.shop-web.fairlead.live.priority"] != "2147482647" {
			t.Errorf("%s: the question's priority is %s", name, got["http.routers.shop-web.fairlead.live.priority"])
		}
	}
}

func TestAFileWhoseLabelsNameFairleadsEntrypointIsRefused(t *testing.T) {
	const label = `labels: {traefik.http.routers.r.entrypoints: "web, Fairlead"}`
	for where, yaml := range map[string]string{
		"servers.web":         label,
		"servers.web.options": `servers: {web: {hosts: [a], options: {label: [team=shop, "traefik.http.routers.r.entrypoints=fairlead"]}}}`,
		"accessories.side":    "accessories: {side: {image: x, host: a, " + label + "}}",
		"traefik":             "traefik: {" + label + "}",
	} {
		_, err := traefik.Spec(load(t, yaml), nil)
		want := where + ": label traefik.http.routers.r.entrypoints names the entrypoint fairlead, by which Fairlead alone asks Traefik; name one of yours"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", where, err)
		}
	}
	const fine = "labels: {traefik.http.routers.r.entrypoints: 'web,websecure', traefik.http.routers.fairlead.rule: 'Host(`x`)', " +
		"traefik.http.middlewares.r.entrypoints: fairlead, traefik.tcp.routers.r.entrypoints: fairlead}"
	if _, err := traefik.Spec(load(t, fine), nil); err != nil {
		t.Errorf("%s: %v", fine, err)
	}
}
