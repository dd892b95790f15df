// Package tool is what a deploy.yml says about Kamal itself and not about the
// service: the version that it wants, how it connects, what it prints.
//
// Lives here: reading that, and a word where Fairlead does otherwise. May not
// live here: anything that a server would notice.
package tool

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// The Kamal whose deploy.yml is read: this one's whole, and those before it.
const (
	KamalMajor = 2
	KamalMinor = 12
)

// Words are what the file says about Kamal itself.
type Words struct {
	// MinimumVersion is the oldest Kamal that the file wants, as written.
	MinimumVersion string
	SSHKit         SSHKit
	Output         Output
	// HooksOutput is "quiet" or "verbose" per hook; the key "" is all hooks.
	HooksOutput map[string]string
}

// SSHKit is Kamal's tuning of connections.
type SSHKit struct {
	// MaxConcurrentStarts is how many hosts are connected to at once. Default 30;
	// it counts only where Bounded, which the file says by writing it.
	MaxConcurrentStarts int
	Bounded             bool
	// PoolIdleTimeout defaults to 900s.
	PoolIdleTimeout time.Duration
	// DNSRetries defaults to 3.
	DNSRetries int
}

// Output is where Kamal sends what it prints.
type Output struct{ OTELEndpoint, FilePath string }

// Default is what holds where the file says nothing.
func Default() Words {
	return Words{SSHKit: SSHKit{MaxConcurrentStarts: 30, PoolIdleTimeout: 900 * time.Second, DNSRetries: dnsRetries}}
}

// dnsRetries is how often a name is asked for again, always (host/ssh).
const dnsRetries = 3

// Fields are the keys of the root.
func (w *Words) Fields() schema.Fields {
	return schema.Fields{
		"minimum_version": w.readVersion,
		"sshkit":          w.SSHKit.read,
		"output":          w.Output.read,
		"hooks_output":    w.readHooks,
	}
}

var versionPattern = regexp.MustCompile(`^\d{1,6}(\.[0-9A-Za-z]+)*$`)

// readVersion takes what a later 2.x asks for: a key of it that is not known
// here is an error of its own. The next major may mean other things by the same
// keys, as 2 did.
func (w *Words) readVersion(v schema.Value) {
	w.MinimumVersion = v.Text()
	if !versionPattern.MatchString(w.MinimumVersion) {
		v.Fail("as in 2.0.0", "%q is not a version", w.MinimumVersion)
		return
	}
	parts := strings.Split(w.MinimumVersion, ".")
	major, _ := strconv.Atoi(parts[0])
	minor := 0
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	switch {
	case major > KamalMajor:
		v.Fail("write 2.12.0 or less, if the file needs no more", "Kamal %s is not known: Fairlead reads what Kamal %d.%d does", w.MinimumVersion, KamalMajor, KamalMinor)
	case major == KamalMajor && minor > KamalMinor:
		v.Warn("newer than Kamal %d.%d, whose deploy.yml Fairlead reads; a key that it does not know would be an error", KamalMajor, KamalMinor)
	}
}

func (s *SSHKit) read(v schema.Value) {
	v.Object(schema.Fields{
		"max_concurrent_starts": func(v schema.Value) { s.MaxConcurrentStarts, s.Bounded = v.Int(1, 10_000), true },
		"pool_idle_timeout": func(v schema.Value) {
			s.PoolIdleTimeout = v.Duration()
			v.Warn("not used: each host has one connection, which is seen to be alive every 5s")
		},
		"dns_retries": func(v schema.Value) {
			if s.DNSRetries = v.Int(0, 100); s.DNSRetries != dnsRetries {
				v.Warn("not used: a name that does not resolve is asked for %d times more, then the host counts as unreachable and is tried again", dnsRetries)
			}
		},
	})
}

func (o *Output) read(v schema.Value) {
	v.Object(schema.Fields{
		"otel": func(v schema.Value) {
			v.Object(schema.Fields{"endpoint": func(v schema.Value) { o.OTELEndpoint = v.Text() }})
			v.Warn("nothing is sent there: Fairlead has /metrics, `fairlead events --json` and webhooks in fairlead.yml")
		},
		"file": func(v schema.Value) {
			v.Object(schema.Fields{"path": func(v schema.Value) { o.FilePath = v.Text() }})
			v.Warn("no file is written: `fairlead history` and `fairlead explain` have each release, the service manager the log")
		},
	})
}

func (w *Words) readHooks(v schema.Value) {
	word := func(v schema.Value) string {
		s := v.Choice("quiet", "verbose")
		if s == "verbose" {
			v.Warn("what hooks print is in `fairlead explain`, and in the message where one fails")
		}
		return s
	}
	if v.Kind() == schema.Scalar {
		w.HooksOutput = map[string]string{"": word(v)}
		return
	}
	w.HooksOutput = map[string]string{}
	v.Each(func(hook string, value schema.Value) { w.HooksOutput[hook] = word(value) })
}
