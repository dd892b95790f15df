package spec

import (
	"regexp"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// jumpPattern is [USER@]HOST[:PORT], several with commas.
var jumpPattern = regexp.MustCompile(`^[A-Za-z0-9_.@:\[\],-]+$`)

func defaultSSH() SSH {
	return SSH{User: "root", Port: 22, Config: SSHConfig{Default: true}, LogLevel: "fatal"}
}

func readSSH(v schema.Value, s *SSH) {
	v.Object(schema.Fields{
		"user": func(v schema.Value) {
			s.UserSet = true
			if s.User = v.Text(); !userPattern.MatchString(s.User) {
				v.Fail("", "%q is not a user", s.User)
			}
		},
		"port": func(v schema.Value) { s.PortSet, s.Port = true, v.Int(1, 65535) },
		"proxy": func(v schema.Value) {
			if s.Proxy = v.Text(); !jumpPattern.MatchString(s.Proxy) || s.Proxy[0] == '-' {
				v.Fail("as in root@bastion.example.com", "%q is not a jump host", s.Proxy)
			}
		},
		"proxy_command": func(v schema.Value) { s.ProxyCommand = v.Text() },
		"keys":          func(v schema.Value) { s.Keys = v.Texts() },
		"key_data":      func(v schema.Value) { s.KeyData = readSecretNames(v) },
		"keys_only":     func(v schema.Value) { s.KeysOnly = v.Bool() },
		"config":        func(v schema.Value) { s.Config = readSSHConfig(v) },
		"forward_agent": func(v schema.Value) { s.ForwardAgent = v.Bool() },
		"log_level":     func(v schema.Value) { s.LogLevel = v.Choice("debug", "info", "warn", "error", "fatal") },
	})
	if s.Proxy != "" && s.ProxyCommand != "" {
		v.Get("proxy_command").Fail("keep one of them", "proxy and proxy_command exclude each other")
	}
}

func readSSHConfig(v schema.Value) SSHConfig {
	if v.IsBool() {
		return SSHConfig{Default: v.Bool()}
	}
	return SSHConfig{Files: v.Texts()}
}

func readSSHKit(v schema.Value, s *SSHKit) {
	v.Object(schema.Fields{
		"max_concurrent_starts": func(v schema.Value) { s.MaxConcurrentStarts = v.Int(1, 10_000) },
		"pool_idle_timeout":     func(v schema.Value) { s.PoolIdleTimeout = v.Duration() },
		"dns_retries":           func(v schema.Value) { s.DNSRetries = v.Int(0, 100) },
	})
}
