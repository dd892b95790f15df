package ssh

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A Login is what differs at one host from the Identity that all share.
type Login struct {
	// KeyFiles and Signers are offered before the Identity's.
	KeyFiles []string
	Signers  []ssh.Signer
	// Only: the Identity's keys are not offered, and of the agent's only Held.
	Only bool
	// Held are the agent's keys that are offered with Only.
	Held []ssh.PublicKey
	// Agent is a socket in place of the Identity's.
	Agent string
	// KnownHosts are files besides the Identity's, and Alias is the name that the
	// host has in all of them; "" is its address.
	KnownHosts []string
	Alias      string
}

// Tag tells Logins apart: two with the same tag may share a connection. It
// holds no secret.
func (l Login) Tag() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %v %q %q %q", l.KeyFiles, l.Only, l.Agent, l.KnownHosts, l.Alias)
	for _, s := range l.Signers {
		b.WriteString(" " + ssh.FingerprintSHA256(s.PublicKey()))
	}
	for _, k := range l.Held {
		b.WriteString(" held " + ssh.FingerprintSHA256(k))
	}
	return b.String()
}

// At is the Identity for a host where some of it differs.
func (id Identity) At(l Login) Identity {
	if l.Only {
		id.KeyFiles, id.Signers = nil, nil
		id.only, id.held = true, l.Held
	}
	id.KeyFiles = slices.Concat(l.KeyFiles, id.KeyFiles)
	id.Signers = slices.Concat(l.Signers, id.Signers)
	id.KnownHosts = slices.Concat(id.KnownHosts, l.KnownHosts)
	if l.Agent != "" {
		id.Agent = l.Agent
	}
	return id
}

// ofAgent are those of the agent's keys that are offered.
func (id Identity) ofAgent(held []ssh.Signer) []ssh.Signer {
	if !id.only {
		return held
	}
	return slices.DeleteFunc(held, func(s ssh.Signer) bool {
		return !slices.ContainsFunc(id.held, func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(s.PublicKey().Marshal()) })
	})
}
