package router

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// normalize returns req as it is compared and saved, or says why it cannot be meant.
func normalize(req control.DeployRequest) (control.DeployRequest, error) {
	invalid := func(format string, args ...any) (control.DeployRequest, error) {
		return control.DeployRequest{}, control.Errorf(control.Invalid, "deploy %s: "+format, append([]any{req.Service}, args...)...)
	}
	if strings.TrimSpace(req.Service) == "" || strings.ContainsAny(req.Service, "\x00\n\r") {
		return control.DeployRequest{}, control.Errorf(control.Invalid, "deploy: the service needs a name")
	}
	targets, err := normalTargets(req.Targets)
	if err != nil {
		return control.DeployRequest{}, err
	}
	req.Targets = targets
	o := &req.Options
	o.Hosts, o.PathPrefixes = slices.Clone(o.Hosts), slices.Clone(o.PathPrefixes)
	for i, host := range o.Hosts {
		o.Hosts[i] = normalHost(strings.TrimSpace(host))
	}
	o.Hosts = unique(o.Hosts)
	for i, prefix := range o.PathPrefixes {
		o.PathPrefixes[i] = "/" + strings.Trim(strings.TrimSpace(prefix), "/")
	}
	o.PathPrefixes = unique(o.PathPrefixes)
	o.CanonicalHost = normalHost(o.CanonicalHost)
	if o.TLS.Enabled {
		if problem := checkTLS(*o); problem != "" {
			return invalid("%s", problem)
		}
	}
	for name, d := range map[string]time.Duration{
		"target timeout": o.TargetTimeout.Duration, "deploy timeout": req.DeployTimeout.Duration,
	} {
		if d <= 0 {
			return invalid("the %s is %s, it must be more than 0", name, d)
		}
	}
	if err := checkHealth("deploy "+req.Service, o.HealthCheck); err != nil {
		return control.DeployRequest{}, err
	}
	if min(o.BufferMemory, o.MaxRequestBody, o.MaxResponseBody) < 0 || req.DrainTimeout.Duration < 0 {
		return invalid("a limit below 0 cannot be kept")
	}
	return req, nil
}

// checkHealth refuses a health check that could not be done.
func checkHealth(command string, h control.HealthCheck) error {
	for name, d := range map[string]time.Duration{"interval": h.Interval.Duration, "timeout": h.Timeout.Duration} {
		if d <= 0 {
			return control.Errorf(control.Invalid, "%s: the health check %s is %s, it must be more than 0", command, name, d)
		}
	}
	if h.Port < 0 || h.Port > 65535 {
		return control.Errorf(control.Invalid, "%s: the health check port is %d", command, h.Port)
	}
	return nil
}

func checkTLS(o control.Options) string {
	own := o.TLS.CertificatePath != "" || o.TLS.PrivateKeyPath != ""
	switch {
	case len(o.Hosts) == 0:
		return "TLS needs at least one --host"
	case own && (o.TLS.CertificatePath == "" || o.TLS.PrivateKeyPath == ""):
		return "a certificate needs both --tls-certificate-path and --tls-private-key-path"
	case !own && slices.ContainsFunc(o.Hosts, func(h string) bool { return strings.HasPrefix(h, "*.") }):
		return "a wildcard host needs its own certificate (--tls-certificate-path): the challenges that this proxy answers do not cover it"
	}
	return ""
}

// normalTargets adds the port 80 where none is given.
func normalTargets(targets []string) ([]string, error) {
	var normal []string
	for _, target := range targets {
		target = strings.TrimPrefix(strings.TrimSpace(target), "http://")
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			host, port = strings.Trim(target, "[]"), "80"
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 || host == "" || strings.ContainsAny(host, "/@? \t") {
			return nil, control.Errorf(control.Invalid, "target %q is not HOST:PORT", target)
		}
		normal = append(normal, net.JoinHostPort(host, port))
	}
	if len(normal) == 0 {
		return nil, control.Errorf(control.Invalid, "at least one target is needed (--target HOST:PORT)")
	}
	return unique(normal), nil
}

// unique drops empty and repeated entries and keeps the order; nothing left is nil.
func unique(all []string) []string {
	var kept []string
	for _, s := range all {
		if s != "" && !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
