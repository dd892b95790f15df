package config

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

func (r *reader) repository(n at) Repository {
	var (
		c    Repository
		zone string
		mode string
	)
	seen := r.fields(n, map[string]take{
		"url":          r.url(&c.URL),
		"branch":       r.gitRef(&c.Branch),
		"tag":          r.gitRef(&c.Tag),
		"poll":         r.duration(&c.Poll, true),
		"schedule":     r.text(&c.Schedule),
		"timezone":     r.text(&zone),
		"destination":  r.destinations(&c.Destinations),
		"destinations": r.destinations(&c.Destinations),
		"config_file":  r.repoPath(&c.ConfigFile),
		"deploy":       r.deployFiles(n.path),
		"mode":         r.choice(&mode, []string{string(ModeDeploy), string(ModeObserve)}),
		"policy":       r.policy(&c.Policy),
		"allow":        r.allow(&c.Allow),
		"image_tag":    r.text(&c.ImageTag),
		"auth":         func(n at) { r.auth(n, &c.Auth) },
		"secrets":      func(n at) { r.secrets(n, &c.Secrets) },
		"webhook":      func(n at) { c.Webhook = r.webhook(n) },
	})
	if n.Kind == yaml.MappingNode {
		r.required(n, seen, "say where the repository is, such as git@github.com:acme/shop.git", "url")
	}
	r.oneOf(seen, "branch", "tag")
	r.oneOf(seen, "destination", "destinations")
	r.oneOf(seen, "config_file", "deploy")
	c.Mode = Mode(mode)
	c.Timezone = r.zone(seen["timezone"], zone)
	if c.Schedule != "" {
		if _, err := schedule.ParseCron(c.Schedule, c.Timezone); err != nil {
			r.problem(seen["schedule"], "", "%v", err)
		}
	} else if zone != "" {
		r.problem(seen["timezone"], "add a schedule or remove it", "it is of no use without schedule")
	}
	if c.Poll == 0 && c.Schedule == "" {
		c.Poll = DefaultPoll
	}
	return c
}

func (r *reader) zone(n at, name string) *time.Location {
	if name == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		r.problem(n, "use a name such as Europe/Berlin", "unknown time zone %q", shorten(name))
		return time.UTC
	}
	return zone
}

var urlForm = regexp.MustCompile(`^(https?://|ssh://|file:///|/|[A-Za-z0-9_][A-Za-z0-9_.@-]*:[^:])`)

// url reads a repository's address. Forms that would start a program (ext::)
// or become an option (-…) are none.
func (r *reader) url(to *string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		switch {
		case hasPassword(s):
			r.problem(n, "remove it there, write auth: { token: { env: NAME } }, and change it if this file was shared", "the address has a password in it")
		case !urlForm.MatchString(s) || strings.ContainsAny(s, " \\"):
			r.problem(n, "write https://host/path.git, git@host:path.git or an absolute path", "%q is no address of a repository", shorten(s))
		default:
			*to = s
		}
	}
}

// gitRef reads a branch or a tag pattern, with what git-check-ref-format(1)
// forbids left out, and * allowed for patterns.
func (r *reader) gitRef(to *string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		if strings.HasPrefix(s, "-") || strings.ContainsAny(s, " ~^:\\") || strings.Contains(s, "..") {
			r.problem(n, "write its name, such as main or v*", "%q is no name of a branch or tag", shorten(s))
			return
		}
		*to = s
	}
}

var destinationForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func (r *reader) destinations(to *[]string) take {
	return func(n at) {
		seen := make(map[string]bool)
		for _, item := range r.items(n) {
			var s string
			if r.matching(&s, destinationForm, "a destination's name, such as production")(item); s == "" {
				continue
			}
			if seen[s] {
				r.problem(item, "remove one of them", "%q is there twice", s)
				continue
			}
			seen[s] = true
			*to = append(*to, s)
		}
	}
}

// repoPath reads the path of a file in the repository.
func (r *reader) repoPath(to *string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		clean := path.Clean(s)
		if !fs.ValidPath(clean) || clean == "." {
			r.problem(n, "write it from the repository's root, such as config/deploy.yml", "%q is no path in a repository", shorten(s))
			return
		}
		*to = clean
	}
}

func (r *reader) allow(to *[]string) take {
	return func(n at) {
		for _, item := range r.items(n) {
			var s string
			if r.choice(&s, AllowWords())(item); s != "" {
				*to = append(*to, s)
			}
		}
	}
}

func (r *reader) auth(n at, a *Auth) {
	r.fields(n, map[string]take{
		"user":        r.user(&a.User),
		"token":       r.ref(&a.Token),
		"ssh_key":     r.filePath(&a.SSHKey),
		"known_hosts": r.filePath(&a.KnownHosts),
	})
}

func (r *reader) secrets(n at, s *Secrets) {
	seen := r.fields(n, map[string]take{
		"file":       r.filePath(&s.File),
		"dir":        r.filePath(&s.Dir),
		"env":        r.envNames(&s.Env),
		"env_prefix": r.matching(&s.EnvPrefix, envForm, "the beginning of variables' names, such as SHOP_"),
		"age":        r.ref(&s.Age),
		"exec":       func(n at) { s.Exec = r.exec(n) },
	})
	if n.Kind == yaml.MappingNode && len(seen) == 0 {
		r.problem(n, "write file, dir, exec, env, env_prefix or age", "it names no place")
	}
}

// exec reads a program. Its words are given to it as they are.
func (r *reader) exec(n at) *Exec {
	e := &Exec{Cache: DefaultExecCache, Deadline: DefaultExecDeadline, Stale: DefaultExecStale}
	seen := r.fields(n, map[string]take{
		"command":  r.texts(&e.Command),
		"env":      r.envNames(&e.Env),
		"cache":    r.duration(&e.Cache, true),
		"deadline": r.duration(&e.Deadline, false),
		"stale":    r.duration(&e.Stale, true),
	})
	if n.Kind != yaml.MappingNode {
		return e
	}
	r.required(n, seen, "a program is { command: [op, inject, -i, /etc/fairlead/shop.tpl] }", "command")
	if command, ok := seen["command"]; ok && len(e.Command) == 1 && strings.Contains(e.Command[0], " ") {
		r.problem(command, "write each word as a member of a list: [op, inject, -i, FILE]", "no shell reads it")
	}
	return e
}

var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r *reader) envNames(to *[]string) take {
	return func(n at) {
		for _, item := range r.items(n) {
			var s string
			if r.matching(&s, envForm, "a variable's name, such as DATABASE_URL")(item); s != "" {
				*to = append(*to, s)
			}
		}
	}
}

func (r *reader) webhook(n at) *Webhook {
	var w Webhook
	seen := r.fields(n, map[string]take{
		"provider":        r.choice(&w.Provider, WebhookProviders()),
		"secret":          r.ref(&w.Secret),
		"previous_secret": r.ref(&w.PreviousSecret),
	})
	if n.Kind == yaml.MappingNode {
		r.required(n, seen, "a webhook is { provider: github, secret: { env: NAME } }", "provider", "secret")
	}
	return &w
}
