package spec

import (
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/errorpages"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/deployer/spec/tool"
)

var servicePattern = bounded{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`), 63}

// readRoot reads every section. Sections that others build on come first;
// the roles come last.
func (l *loader) readRoot() {
	d := l.d
	d.ReadinessDelay, d.DeployTimeout, d.DrainTimeout = 7*time.Second, 30*time.Second, 30*time.Second
	d.RetainContainers, d.PrimaryRole = 5, "web"
	d.SecretsPath, d.HooksPath = ".kamal/secrets", ".kamal/hooks"
	d.Labels, d.Logging = map[string]string{}, defaultLogging()
	d.SSH, d.Words = defaultSSH(), tool.Default()
	d.XFairlead = defaultFairlead()

	fields := l.plainFields()
	maps.Copy(fields, d.Words.Fields())
	for _, key := range []string{"servers", "accessories", "registry", "image", "x-fairlead"} {
		fields[key] = nil
	}
	for _, key := range prefixed(l.root, "x-") {
		fields[key] = nil
	}
	l.root.Object(fields)
	l.readRegistry()
	l.readImage()
	d.Proxy = l.readProxy(l.root.Get("proxy"))
	l.readRoles()
	l.readFairlead(l.root.Get("x-fairlead"))
	l.finishRoles()
	l.readAccessories(l.root.Get("accessories"))
	l.readXAccessories(l.root.Get("x-fairlead").Get("accessories"))
	d.HookFiles = hooks.Files(l.fsys, d.HooksPath)
	l.readErrorPages()
}

func (l *loader) readErrorPages() {
	d := l.d
	var problems []error
	d.ErrorPages, problems = errorpages.Read(l.fsys, d.ErrorPagesPath)
	for _, p := range problems {
		l.report.Warn(Warning{Position: d.positions["error_pages_path"], Path: "error_pages_path", Message: p.Error()})
	}
	if run, kind := d.Proxy.Run, d.XFairlead.Proxy.Kind; kind != "fairlead" && (kind != "" || run.Registry+run.Repository+run.Version != "") {
		return // another proxy, whose pages may be programs
	}
	for _, e := range errorpages.Refused(d.ErrorPages) {
		l.report.Keep(e.File, []byte(d.ErrorPages[e.File]))
		l.report.Fail(e)
	}
}

// plainFields are the root keys that stand for themselves.
func (l *loader) plainFields() schema.Fields {
	d := l.d
	return schema.Fields{
		"service":             func(v schema.Value) { d.Service = v.Text() },
		"traefik":             l.readTraefik,
		"primary_role":        func(v schema.Value) { d.PrimaryRole = v.Text() },
		"allow_empty_roles":   func(v schema.Value) { d.AllowEmptyRoles = v.Bool() },
		"require_destination": func(v schema.Value) { d.RequireDestination = v.Bool() },
		"labels":              func(v schema.Value) { d.Labels = readLabels(v) },
		"volumes":             func(v schema.Value) { d.Volumes = readVolumes(v) },
		"asset_path":          func(v schema.Value) { d.AssetPath = readAssetPath(v) },
		"error_pages_path":    func(v schema.Value) { d.ErrorPagesPath = readRepositoryPath(v) },
		"hooks_path":          func(v schema.Value) { d.HooksPath = readRepositoryPath(v) },
		"secrets_path":        func(v schema.Value) { d.SecretsPath = readRepositoryPath(v) },
		"hooks":               func(v schema.Value) { d.Hooks = hooks.Read(v) },
		"retain_containers":   func(v schema.Value) { d.RetainContainers = v.Int(1, 1000) },
		"readiness_delay":     func(v schema.Value) { d.ReadinessDelay = v.Duration() },
		"deploy_timeout":      func(v schema.Value) { d.DeployTimeout = positive(v) },
		"drain_timeout":       func(v schema.Value) { d.DrainTimeout = v.Duration() },
		"stop_timeout":        func(v schema.Value) { d.StopTimeout = v.Duration() },
		"env":                 func(v schema.Value) { d.Env = l.readEnv(v, true) },
		"builder":             func(v schema.Value) { d.Builder = readBuilder(v) },
		"proxy":               nil,
		"ssh":                 func(v schema.Value) { readSSH(v, &d.SSH) },
		"boot":                func(v schema.Value) { d.Boot = readBoot(v) },
		"logging":             func(v schema.Value) { d.Logging = readLogging(v) },
		"aliases":             func(v schema.Value) { d.Aliases = v.Pairs() },
	}
}

// positive reads a duration that may not be zero.
func positive(v schema.Value) time.Duration {
	d := v.Duration()
	if d == 0 && v.Kind() == schema.Scalar {
		v.Fail("", "must be more than 0")
	}
	return d
}

// readRepositoryPath reads a path inside of the repository.
func readRepositoryPath(v schema.Value) string {
	p := path.Clean(v.Text())
	if v.Kind() == schema.Scalar && !fs.ValidPath(p) {
		v.Fail("write it relative to the repository", "%q is not a path in the repository", v.Text())
	}
	return p
}

func readBoot(v schema.Value) Boot {
	var b Boot
	v.Object(schema.Fields{
		"limit":          func(v schema.Value) { b.Limit = readHostLimit(v) },
		"wait":           func(v schema.Value) { b.Wait = v.Duration() },
		"parallel_roles": func(v schema.Value) { b.ParallelRoles = v.Bool() },
	})
	return b
}

// readHostLimit reads a number of hosts, or a share of them.
func readHostLimit(v schema.Value) BootLimit {
	if share, ok := strings.CutSuffix(v.Text(), "%"); ok {
		return BootLimit{Percent: l100(v, share)}
	}
	return BootLimit{Count: v.Int(1, 10_000)}
}

// l100 reads the number before a percent sign.
func l100(v schema.Value, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 100 {
		v.Fail("", "%q is not between 1%% and 100%%", v.Text())
		return 0
	}
	return n
}
