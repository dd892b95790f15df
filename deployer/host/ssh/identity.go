package ssh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// An Identity is with what we log in and whom we believe. Files are read at
// every dial, so that a rotated key or a newly trusted host counts at once.
type Identity struct {
	KnownHosts []string // files; those that are missing are left out
	KeyFiles   []string // private keys in OpenSSH's or PEM's form, without passphrase
	Signers    []ssh.Signer
	Agent      string // socket of an ssh-agent; empty is none
	// Own: it is a person's own, as ssh finds it, and not fairlead.yml's. What
	// there is to do about errors differs.
	Own bool

	only bool            // see Login
	held []ssh.PublicKey // see Login
}

// signers returns the keys to offer, and what to close after the handshake.
func (id Identity) signers() ([]ssh.Signer, io.Closer, error) {
	all := append([]ssh.Signer(nil), id.Signers...)
	for _, file := range id.KeyFiles {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read key: %w", err)
		}
		signer, err := ssh.ParsePrivateKey(pem)
		if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
			return nil, nil, fmt.Errorf("read key %s: it has a passphrase; use an agent or a key without one", file)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read key %s: %w", file, err)
		}
		all = append(all, signer)
	}
	var closer io.Closer = io.NopCloser(nil)
	if id.Agent != "" {
		conn, err := net.DialTimeout("unix", id.Agent, dialTimeout)
		if err == nil {
			// Of all that is asked of it: a person may have to agree to a signature.
			err = conn.SetDeadline(time.Now().Add(connectTimeout))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("connect to ssh-agent: %w", err)
		}
		held, err := agent.NewClient(conn).Signers()
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("list keys of ssh-agent: %w", err), conn.Close())
		}
		all, closer = append(all, id.ofAgent(held)...), conn
	}
	if len(all) == 0 {
		_ = closer.Close()
		if id.Own {
			return nil, nil, errors.New("you have no SSH key that can be used here; add one to your agent with `ssh-add`, or make one with `ssh-keygen -t ed25519`")
		}
		return nil, nil, errors.New("no SSH key is configured; set ssh.key in fairlead.yml")
	}
	return all, closer, nil
}

// lockedOut says what to do where a server takes none of the keys.
func (id Identity) lockedOut(t Target) string {
	if !id.Own {
		return "add the public key that `fairlead key` shows to the user's ~/.ssh/authorized_keys"
	}
	login := t.User + "@" + t.Host
	if t.Port != 0 && t.Port != 22 {
		login = fmt.Sprintf("-p %d %s", t.Port, login)
	}
	return fmt.Sprintf("`ssh %s` must work first; `ssh-copy-id %[1]s` lets your key in", login)
}

// trusted is what `fairlead host trust` takes for a server.
func trusted(name, address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "22" {
		return name
	}
	return net.JoinHostPort(name, port)
}

// hostKeys returns a strict check for one host and the key types to ask the
// server for: those known, or a known host with a new kind of key would look
// like a changed one.
func (id Identity) hostKeys(name, address string) (ssh.HostKeyCallback, []string, error) {
	var files []string
	for _, f := range id.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		}
	}
	db, err := knownhosts.NewDB(files...)
	if err != nil {
		return nil, nil, fmt.Errorf("read known_hosts: %w", err)
	}
	check := func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := db.HostKeyCallback()(host, remote, key)
		switch {
		case knownhosts.IsHostKeyChanged(err):
			changed := &HostKeyChangedError{Host: trusted(name, address), KeyType: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}
			if e, ok := errors.AsType[*xknownhosts.KeyError](err); ok && len(e.Want) > 0 {
				changed.KnownAt = fmt.Sprintf("%s:%d", e.Want[0].Filename, e.Want[0].Line)
			}
			return changed
		case knownhosts.IsHostUnknown(err):
			return &UnknownHostKeyError{Host: trusted(name, address), KeyType: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}
		}
		return err
	}
	return check, db.HostKeyAlgorithms(address), nil
}
