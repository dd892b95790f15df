package operation

import "strings"

// The verbs of the reverse proxies of a service's hosts. Details and Logs are
// for them, too.
const (
	ProxyBoot    Verb = "proxy boot"    // make it run where none does
	ProxyReboot  Verb = "proxy reboot"  // make it anew, as deploy.yml says today; with Rolling, host by host
	ProxyStart   Verb = "proxy start"   // start what was stopped
	ProxyStop    Verb = "proxy stop"    // stop what runs
	ProxyRestart Verb = "proxy restart" // both
	ProxyRemove  Verb = "proxy remove"  // where it serves nobody, or with Force
	ProxyUpgrade Verb = "proxy upgrade" // today's program, or deploy.yml's version of kamal-proxy
	ProxyUse     Verb = "proxy use"     // another Kind
)

// OfProxy tells whether a verb is for proxies alone.
func (v Verb) OfProxy() bool { return strings.HasPrefix(string(v), "proxy ") }

func proxyVerbs() []Verb {
	return []Verb{ProxyBoot, ProxyReboot, ProxyStart, ProxyStop, ProxyRestart, ProxyRemove, ProxyUpgrade, ProxyUse}
}

// The kinds of proxy that ProxyUse takes.
const (
	KindFairlead   = "fairlead"
	KindKamalProxy = "kamal-proxy"
	KindTraefik    = "traefik" // of a deploy.yml that keeps it
)
