package traefik

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
)

// Assigned is a route and the containers that it leads to.
type Assigned struct {
	Route      option.Route `json:"route"`
	Containers []string     `json:"containers"` // ids
	// Labels are the containers' own for Traefik.
	Labels map[string]string `json:"labels,omitempty"`
}

// Service is what Traefik is told of one service.
type Service struct {
	// Live gets the requests; nil: nobody does.
	Live *Assigned `json:"live,omitempty"`
	// Next is only asked by Fairlead, before it gets them.
	Next *Assigned `json:"next,omitempty"`
}

const (
	title  = "# Fairlead writes this file at each switch, and reads the next line back.\n"
	prefix = "# "
	// Marker is the header by which an answer names the assignment it came by.
	Marker = "X-Fairlead-Route"
)

// servicePattern are the names, of services and containers, that are safe in a
// path and in Traefik.
var servicePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// Path is a service's file below the ssh user's home.
func Path(service string) (string, error) {
	if !servicePattern.MatchString(service) {
		return "", fmt.Errorf("%q cannot be a file's name", service)
	}
	return Folder + "/" + service + ".yml", nil
}

// NameOf is the service that a file in Folder is of; false for other files.
func NameOf(file string) (service string, ok bool) {
	service, ok = strings.CutSuffix(file, ".yml")
	return service, ok && servicePattern.MatchString(service)
}

// Write is the file of a service: JSON, which is YAML too, behind a comment
// that holds what it was made of. Traefik takes such a file for a template:
// what begins an action is written as an escape (Traefik docs, file provider,
// "Go Templating").
func Write(s Service, static Static) ([]byte, error) {
	said, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	http := tree{}
	for _, at := range []struct {
		a    *Assigned
		next bool
	}{{s.Live, false}, {s.Next, true}} {
		if at.a == nil {
			continue
		}
		if err := at.a.check(); err != nil {
			return nil, err
		}
		if !at.next {
			at.a.serve(http, static)
		}
		at.a.ask(http, at.next)
	}
	config := tree{}
	if len(http) > 0 {
		config["http"] = http
	}
	if s.Live != nil && s.Live.Route.TLSCert != "" {
		config["tls"] = tree{"certificates": []any{tree{"certFile": s.Live.Route.TLSCert, "keyFile": s.Live.Route.TLSKey}}}
	}
	var b bytes.Buffer
	b.WriteString(title + prefix)
	b.Write(said)
	b.WriteString("\n")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(config); err != nil {
		return nil, err
	}
	return escaped(bytes.ReplaceAll(b.Bytes(), []byte("{{"), []byte(`\u007b\u007b`))), nil
}

// escaped writes what JSON allows in a text and YAML in no file (YAML 1.1,
// section 5.1) as escapes of both: one such file, and Traefik takes up none.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// Parse reads a file back.
func Parse(text []byte) (s Service, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(title+prefix))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return s, errors.New("not written by Fairlead")
	}
	if err := json.Unmarshal(line, &s); err != nil {
		return Service{}, err
	}
	for _, a := range []*Assigned{s.Live, s.Next} {
		if a == nil {
			continue
		}
		if err := a.check(); err != nil {
			return Service{}, err
		}
	}
	return s, nil
}

func (a *Assigned) check() error {
	switch {
	case !servicePattern.MatchString(a.Route.Service):
		return fmt.Errorf("%q cannot be a service's name", a.Route.Service)
	case len(a.Containers) == 0:
		return fmt.Errorf("%s leads nowhere", a.Route.Service)
	}
	for _, id := range a.Containers {
		if len(id) > 255 || !servicePattern.MatchString(id) {
			return fmt.Errorf("%q is no container's id", id)
		}
	}
	if len(Labels(a.Labels)) != len(a.Labels) { // such as one too short to be read
		return fmt.Errorf("%s has labels that are not for its route", a.Route.Service)
	}
	return nil
}

// Digest names an assignment: the same one has the same.
func (a Assigned) Digest() string {
	text, err := json.Marshal(a)
	if err != nil { // plain fields cannot fail
		panic(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Question is the host name that leads to an assignment at Fairlead's own
// entrypoint, as the service's next or as the one that gets the requests.
func (a Assigned) Question(next bool) string {
	if next {
		return a.Digest() + ".next.fairlead.internal"
	}
	return a.Digest() + ".fairlead.internal"
}

// Targets are the containers as host and port: the first twelve digits of the
// id, which the engine's DNS answers.
func (a Assigned) Targets() (all []string) {
	for _, id := range a.Containers {
		all = append(all, net.JoinHostPort(id[:min(12, len(id))], strconv.Itoa(a.Route.Port)))
	}
	return all
}

// tree is a part of Traefik's dynamic configuration.
type tree map[string]any

// under returns the map at a path, made where it is not there.
func (t tree) under(path ...string) tree {
	for _, key := range path {
		next, ok := t[key].(tree)
		if !ok {
			next = tree{}
			t[key] = next
		}
		t = next
	}
	return t
}
