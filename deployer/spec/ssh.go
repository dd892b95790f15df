package spec

import (
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// jumpPattern is [USER@]HOST[:PORT], several with commas.
var jumpPattern = regexp.MustCompile(`^[A-Za-z0-9_.@:\[\],-]+$`)

func defaultSSH() SSH {
	return SSH{User: "root", Port: 22, Config: SSHConfig{Default: true}, LogLevel: "fatal"}
}

// ofPeople is the word about files of the machine that a deploy runs on.
const ofPeople = "for your own command line; a daemon reads no file that deploy.yml names, its keys are in fairlead.yml"

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
		"proxy_command": func(v schema.Value) { s.ProxyCommand = readProxyCommand(v) },
		"keys":          func(v schema.Value) { s.Keys = v.Texts(); v.Warn(ofPeople) },
		"key_data":      func(v schema.Value) { s.KeyData = readSecretNames(v) },
		"keys_only":     func(v schema.Value) { s.KeysOnly = v.Bool() },
		"config":        func(v schema.Value) { s.Config = readSSHConfig(v) },
		"forward_agent": func(v schema.Value) {
			if s.ForwardAgent = v.Bool(); s.ForwardAgent {
				v.Warn("no agent is forwarded: who is root on a server could use its keys")
			}
		},
		"log_level": func(v schema.Value) {
			if s.LogLevel = v.Choice("debug", "info", "warn", "error", "fatal"); s.LogLevel != "fatal" {
				v.Warn("not used: `log: { level: debug }` in fairlead.yml logs connections")
			}
		},
	})
	if s.Proxy != "" && s.ProxyCommand.Raw != "" {
		v.Get("proxy_command").Fail("keep one of them", "proxy and proxy_command exclude each other")
	}
}

// shellPattern is a shell, which reads words again by itself; ssh is none.
var shellPattern = regexp.MustCompile(`(^|/)(ba|da|a|k|z|fi)?sh$`)

// foreignToken is a % that stands for nothing that Kamal knows here.
var foreignToken = regexp.MustCompile(`%([^hpr%]|$)`)

// readProxyCommand reads what connects to a host: %h, %p and %r in its words are
// the host, the port and the user.
func readProxyCommand(v schema.Value) Command {
	c := readCommand(v)
	if bad := foreignToken.FindString(strings.ReplaceAll(c.Raw, "%%", "")); bad != "" {
		v.Fail("there are %h, %p, %r and %%", "%q stands for nothing", bad)
	}
	if len(c.Args) > 0 && strings.ContainsAny(c.Raw, "$`") && !shellPattern.MatchString(c.Args[0]) {
		v.Fail(`write sh -c "…"`, "the command needs a shell")
	}
	return c
}

func readSSHConfig(v schema.Value) SSHConfig {
	if v.IsBool() {
		return SSHConfig{Default: v.Bool()}
	}
	v.Warn(ofPeople)
	return SSHConfig{Files: v.Texts()}
}
