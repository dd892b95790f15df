package route

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// target names a container to the proxy as Kamal does: the first twelve digits
// of its id, which the engine's DNS answers on the network.
func target(containerID string, port int) string {
	return net.JoinHostPort(containerID[:min(12, len(containerID))], strconv.Itoa(port))
}

// targets names several.
func targets(r plan.Route, containers []string) (all []string) {
	for _, id := range containers {
		all = append(all, target(id, r.Port))
	}
	return all
}

// deployArgs is the argv of `kamal-proxy deploy` for a route.
func deployArgs(r plan.Route, containers []string) []string {
	args := []string{"kamal-proxy", "deploy", r.Service}
	flag := func(name, value string) { args = append(args, "--"+name, value) }
	list := func(name string, values []string) {
		for _, v := range values {
			flag(name, v)
		}
	}
	size := func(name string, n int64) {
		if n > 0 {
			flag(name, strconv.FormatInt(n, 10))
		}
	}
	toggle := func(name string, on bool) { args = append(args, "--"+name+"="+strconv.FormatBool(on)) }

	list("target", targets(r, containers))
	flag("deploy-timeout", seconds(r.DeployTimeout))
	flag("drain-timeout", seconds(r.DrainTimeout))
	flag("target-timeout", seconds(r.ResponseTimeout))
	flag("health-check-interval", seconds(r.HealthInterval))
	flag("health-check-timeout", seconds(r.HealthTimeout))
	flag("health-check-path", r.HealthPath)
	list("host", r.Hosts)
	list("path-prefix", r.PathPrefixes)
	if len(r.PathPrefixes) > 0 {
		toggle("strip-path-prefix", r.StripPrefix)
	}
	if r.TLS {
		toggle("tls", true)
		toggle("tls-redirect", r.TLSRedirect)
	}
	if r.TLSCert != "" {
		flag("tls-certificate-path", r.TLSCert)
		flag("tls-private-key-path", r.TLSKey)
	}
	if r.ErrorPages != "" {
		flag("error-pages", r.ErrorPages)
	}
	toggle("forward-headers", r.ForwardHeaders)
	toggle("buffer-requests", r.BufferRequests)
	toggle("buffer-responses", r.BufferResponses)
	size("buffer-memory", r.BufferMemory)
	size("max-request-body", r.MaxRequestBody)
	size("max-response-body", r.MaxResponseBody)
	list("log-request-header", r.LogRequest)
	list("log-response-header", r.LogResponse)
	return args
}

// seconds writes whole durations as Kamal does ("30s"), others as Go does.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return d.String()
}

// request is a route in the words of Fairlead's own proxy.
func request(r plan.Route, containers []string) control.DeployRequest {
	req := control.NewDeployRequest(r.Service, targets(r, containers)...)
	o := &req.Options
	o.Hosts, o.PathPrefixes, o.StripPathPrefix = r.Hosts, r.PathPrefixes, r.StripPrefix
	o.TLS = control.TLS{Enabled: r.TLS, CertificatePath: r.TLSCert, PrivateKeyPath: r.TLSKey, Redirect: r.TLSRedirect}
	o.HealthCheck.Path = r.HealthPath
	o.HealthCheck.Interval = control.Duration{Duration: r.HealthInterval}
	o.HealthCheck.Timeout = control.Duration{Duration: r.HealthTimeout}
	o.TargetTimeout = control.Duration{Duration: r.ResponseTimeout}
	o.BufferRequests, o.BufferResponses = r.BufferRequests, r.BufferResponses
	if r.BufferMemory > 0 {
		o.BufferMemory = r.BufferMemory
	}
	o.MaxRequestBody, o.MaxResponseBody = r.MaxRequestBody, r.MaxResponseBody
	o.LogRequestHeaders, o.LogResponseHeaders = r.LogRequest, r.LogResponse
	o.ForwardHeaders, o.ErrorPages = r.ForwardHeaders, r.ErrorPages
	req.DeployTimeout = control.Duration{Duration: r.DeployTimeout}
	req.DrainTimeout = control.Duration{Duration: r.DrainTimeout}
	return req
}

// splitArgs is the argv that tries out a container on a share of the clients.
func splitArgs(r plan.Route, containers []string, percent int) []string {
	args := []string{"kamal-proxy", "rollout", "deploy", r.Service}
	for _, t := range targets(r, containers) {
		args = append(args, "--target", t)
	}
	return append(args,
		"--percent", strconv.Itoa(percent), "--sticky",
		"--deploy-timeout", seconds(r.DeployTimeout), "--drain-timeout", seconds(r.DrainTimeout),
		"--health-check-path", r.HealthPath, "--health-check-interval", seconds(r.HealthInterval), "--health-check-timeout", seconds(r.HealthTimeout))
}

// splitRequest is the same for the socket.
func splitRequest(r plan.Route, containers []string, percent int) control.RolloutRequest {
	whole := request(r, containers)
	return control.RolloutRequest{
		Service: r.Service, Targets: whole.Targets, DeployTimeout: whole.DeployTimeout, DrainTimeout: whole.DrainTimeout,
		HealthCheck: &whole.Options.HealthCheck, Split: &control.Split{Percent: percent, Sticky: true},
	}
}

// live reads a service of Fairlead's own proxy back.
func live(s control.Service) plan.Live {
	l := plan.Live{Service: s.Name, State: string(s.State), Splits: s.Traffic != nil}
	if len(s.Targets) > 0 {
		l.Target, l.More = s.Targets[0], further(s.Targets)
	}
	if s.Split != nil && s.Split.Sticky && len(s.RolloutTargets) > 0 {
		l.Split = s.RolloutTargets[0]
	}
	o := s.Options
	l.Route = &plan.Route{
		Service: s.Name, Port: portOf(l.Target),
		Hosts: o.Hosts, PathPrefixes: o.PathPrefixes, StripPrefix: o.StripPathPrefix,
		TLS: o.TLS.Enabled, TLSCert: o.TLS.CertificatePath, TLSKey: o.TLS.PrivateKeyPath, TLSRedirect: o.TLS.Redirect,
		ForwardHeaders: o.ForwardHeaders, ErrorPages: o.ErrorPages,
		HealthPath: o.HealthCheck.Path, HealthInterval: o.HealthCheck.Interval.Duration, HealthTimeout: o.HealthCheck.Timeout.Duration,
		ResponseTimeout: o.TargetTimeout.Duration,
		BufferRequests:  o.BufferRequests, BufferResponses: o.BufferResponses, BufferMemory: o.BufferMemory,
		MaxRequestBody: o.MaxRequestBody, MaxResponseBody: o.MaxResponseBody,
		LogRequest: o.LogRequestHeaders, LogResponse: o.LogResponseHeaders,
	}
	return l
}

// portOf is the port of HOST:PORT, 0 where there is none.
func portOf(target string) int {
	_, port, _ := net.SplitHostPort(target)
	n, _ := strconv.Atoi(port)
	return n
}

// parseList reads the table that `kamal-proxy list` prints for people:
// columns Service, Host, Path, Target, State, TLS, perhaps coloured.
func parseList(table string) []plan.Live {
	var routes []plan.Live
	for i, line := range strings.Split(stripColour(table), "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) < 5 {
			continue
		}
		to := strings.Split(f[3], ",")
		l := plan.Live{Service: f[0], Target: to[0], More: further(to), State: strings.ToLower(f[4])}
		if len(f) == 6 && (f[5] == "yes" || f[5] == "no") {
			l.Part, l.Route = true, &plan.Route{
				Service: f[0], Hosts: listed(f[1], "*"), PathPrefixes: listed(f[2], "/"), TLS: f[5] == "yes", Port: portOf(l.Target),
			}
		}
		routes = append(routes, l)
	}
	return routes
}

// further are the targets behind the first; nil where it is the only one.
func further(targets []string) []string {
	if len(targets) < 2 {
		return nil
	}
	return targets[1:]
}

// listed reads a cell of several, where one word stands for none.
func listed(cell, none string) []string {
	if cell == none {
		return nil
	}
	return strings.Split(cell, ",")
}

// stripColour removes ANSI escape sequences (ECMA-48, "ESC [ … letter").
func stripColour(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		for i++; i < len(s) && (s[i] < 'A' || s[i] > 'z' || s[i] == '['); i++ {
		}
	}
	return b.String()
}
