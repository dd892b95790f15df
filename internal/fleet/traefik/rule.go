package main

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
)

// match tells whether a request is meant.
type match func(r *http.Request) bool

// ruleParser reads a rule by recursive descent.
type ruleParser struct {
	rest string
	v2   bool
}

// parseRule reads a rule of the matchers that are known here.
func parseRule(rule string, v2 bool) (match, error) {
	p := &ruleParser{rule, v2}
	m, err := p.or()
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = fmt.Errorf("at %q", p.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("error while parsing rule %s: %w", rule, err)
	}
	return m, nil
}

func (p *ruleParser) takes(token string) bool {
	p.rest = strings.TrimSpace(p.rest)
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *ruleParser) or() (match, error) {
	a, err := p.and()
	for err == nil && p.takes("||") {
		var b match
		x := a
		if b, err = p.and(); err == nil {
			a = func(r *http.Request) bool { return x(r) || b(r) }
		}
	}
	return a, err
}

func (p *ruleParser) and() (match, error) {
	a, err := p.one()
	for err == nil && p.takes("&&") {
		var b match
		x := a
		if b, err = p.one(); err == nil {
			a = func(r *http.Request) bool { return x(r) && b(r) }
		}
	}
	return a, err
}

var matcher = regexp.MustCompile("^\\s*(Host|HostRegexp|PathPrefix)\\(`([^`]*)`\\)")

// named is the part of a v2 pattern that is a regular expression.
var named = regexp.MustCompile(`\{[^:}]+:([^}]+)\}`)

func (p *ruleParser) one() (match, error) {
	if p.takes("!") {
		m, err := p.one()
		return func(r *http.Request) bool { return !m(r) }, err
	}
	if p.takes("(") {
		m, err := p.or()
		if err == nil && !p.takes(")") {
			err = fmt.Errorf("no ) at %q", p.rest)
		}
		return m, err
	}
	m := matcher.FindStringSubmatch(p.rest)
	if m == nil {
		return nil, fmt.Errorf("unsupported function at %q", p.rest)
	}
	p.rest = p.rest[len(m[0]):]
	switch m[1] {
	case "Host":
		return func(r *http.Request) bool { return strings.EqualFold(hostOf(r), m[2]) }, nil
	case "PathPrefix":
		return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, m[2]) }, nil
	}
	pattern := m[2]
	if at := named.FindStringSubmatchIndex(pattern); p.v2 && at != nil {
		pattern = "^" + regexp.QuoteMeta(pattern[:at[0]]) + pattern[at[2]:at[3]] + regexp.QuoteMeta(pattern[at[1]:]) + "$"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) bool { return re.MatchString(strings.ToLower(hostOf(r))) }, nil
}

func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}
