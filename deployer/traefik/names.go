package traefik

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// first is the priority of Fairlead's own questions: the highest that a router
// may have on every platform (Traefik docs, "Routers": Priority). A router that
// names no entrypoint is at Fairlead's, too, whatever its rule.
const first = math.MaxInt32 - 1000

// own names what Fairlead makes for the route beside its router and service.
//
// Of two files that have one name, Traefik keeps the first and skips the other,
// so every name in a file begins with its service's, which has no dot: SERVICE,
// SERVICE.NAME for a label's NAME, which has none either, SERVICE.fairlead.NAME.
func (a *Assigned) own(name string) string { return a.Route.Service + ".fairlead." + name }

// within is what the file calls what labels call NAME: the route's own, where
// it has its name.
func (a *Assigned) within(name string) string {
	if name == a.Route.Service {
		return name
	}
	return a.Route.Service + "." + name
}

// element is a label taken apart: traefik.http.KIND.NAME.PATH.
type element struct {
	kind, name string
	path       []string
}

func taken(key string) element {
	part := strings.Split(key, ".")
	return element{strings.ToLower(part[2]), part[3], part[4:]}
}

// is tells whether the label says the option, in any case.
func (e element) is(kind string, option ...string) bool {
	return e.kind == kind && slices.EqualFunc(e.path, option, strings.EqualFold)
}

// passed is a label's value as the file has it: what labels name is called by
// its name there, nothing is at Fairlead's entrypoint, nor goes before its
// questions. false: nothing is left.
func (a *Assigned) passed(e element, value string) (string, bool) {
	switch {
	case e.is("routers", "service"), e.is("middlewares", "errors", "service"):
		return a.referred("services", value), true
	case e.is("routers", "middlewares"), e.is("middlewares", "chain", "middlewares"):
		return a.referred("middlewares", value), true
	case e.is("routers", "entrypoints"):
		left := slices.DeleteFunc(items(value), isOwn)
		return strings.Join(left, ","), len(left) > 0
	case e.is("routers", "priority"):
		if n, err := strconv.Atoi(value); err == nil && n >= first {
			return strconv.Itoa(first - 1), true
		}
	}
	return value, true
}

// referred are names of a kind: those that labels give, with or without the
// provider that labels have elsewhere, and others, which stay.
func (a *Assigned) referred(kind, value string) string {
	all := items(value)
	for i, item := range all {
		name, provider, _ := strings.Cut(item, "@")
		given := func(key string) bool { e := taken(key); return e.kind == kind && e.name == name }
		if (provider == "" || provider == "docker") && slices.ContainsFunc(slices.Collect(maps.Keys(a.Labels)), given) {
			all[i] = a.within(name)
		}
	}
	return strings.Join(all, ",")
}

func items(value string) (all []string) {
	for item := range strings.SplitSeq(value, ",") {
		all = append(all, strings.TrimSpace(item))
	}
	return all
}

func isOwn(name string) bool { return strings.EqualFold(name, entrypoint) }

// Reserved fails for labels that name Fairlead's entrypoint.
func Reserved(labels map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(Labels(labels))) {
		if taken(key).is("routers", "entrypoints") && slices.ContainsFunc(items(labels[key]), isOwn) {
			return fmt.Errorf("label %s names the entrypoint %s, by which Fairlead alone asks Traefik; name one of yours", key, entrypoint)
		}
	}
	return nil
}

// reserved fails for a deploy.yml of whose labels one names it.
func reserved(d *spec.Deploy) error {
	errs := []error{in("traefik", Reserved(d.Traefik.Labels))}
	for _, r := range d.Roles {
		var made container.Spec
		_ = container.ApplyOptions(&made, map[string][]string{"label": r.Options["label"]}) // what is wrong there is told by who makes containers
		errs = append(errs, in("servers."+r.Name, Reserved(r.Labels)), in("servers."+r.Name+".options", Reserved(made.Labels)))
	}
	for _, acc := range d.Accessories {
		errs = append(errs, in("accessories."+acc.Name, Reserved(acc.Labels)))
	}
	return errors.Join(errs...)
}

func in(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}
