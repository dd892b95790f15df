package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// Trust is the command `host trust`.
type Trust struct {
	Config *config.Config
	Reach  *daemon.Reach
	// Fingerprint is what the key must have, "SHA256:…"; "" asks.
	Fingerprint string
	// Replace takes a changed key in place of the one known.
	Replace bool
	Console Console
}

// Host shows the host key of one host, asks, and writes it into known_hosts.
// name is a host of fairlead.yml or [USER@]HOST[:PORT].
func (t Trust) Host(ctx context.Context, name string) error {
	if len(t.Config.SSH.KnownHosts) == 0 {
		return errors.New("trust host: fairlead.yml names no file for it; write `ssh: { known_hosts: known_hosts }`")
	}
	address, dial, err := t.find(ctx, name)
	if err != nil {
		return err
	}
	key, err := Scan(ctx, address, dial)
	if err != nil {
		return err
	}
	t.Console.Printf("%s shows the host key %s %s\n", name, key.Type(), ssh.FingerprintSHA256(key))
	how, other, err := standing(t.Config.SSH.KnownHosts, address, key)
	if err != nil {
		return err
	}
	switch {
	case how == known && (t.Fingerprint == "" || t.Fingerprint == ssh.FingerprintSHA256(key)):
		t.Console.Printf("It is trusted already.\n")
		return nil
	case how == changed && !t.Replace:
		return fmt.Errorf("trust host %s: another key is known at %s: somebody may be listening in; if the host was installed anew, run it again with --replace", name, places(other))
	}
	if err := t.agreed(name, key); err != nil {
		return err
	}
	file := t.Config.SSH.KnownHosts[0]
	if err := addKey(file, address, key, other); err != nil {
		return err
	}
	t.Console.Printf("Trusted; written to %s.\n", file)
	return nil
}

func (t Trust) agreed(name string, key ssh.PublicKey) error {
	if t.Fingerprint != "" {
		if got := ssh.FingerprintSHA256(key); got != t.Fingerprint {
			return fmt.Errorf("trust host %s: its key is %s, not %s; nothing was written", name, got, t.Fingerprint)
		}
		return nil
	}
	t.Console.Printf("On the server itself, this shows the same: ssh-keygen -lf /etc/ssh/%s\n", keyFile(key))
	yes, err := t.Console.Confirm("Is it the same?")
	if errors.Is(err, ErrNoTerminal) {
		return fmt.Errorf("trust host %s: nobody to ask; give --fingerprint SHA256:… that the server should have, or --yes", name)
	}
	if err == nil && !yes {
		err = errors.New("trust host " + name + ": not trusted; nothing was written")
	}
	return err
}

// find returns the address that known_hosts has a host under, and the way there.
func (t Trust) find(ctx context.Context, name string) (string, DialFunc, error) {
	host, port := name, 0
	if _, bare, ok := strings.Cut(host, "@"); ok {
		host = bare
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return "", nil, fmt.Errorf("trust host: %q is no HOST[:PORT]", name)
		}
		host = h
	}
	if host == "" || strings.HasPrefix(host, "-") || strings.ContainsAny(host, " \t\n,*?") {
		return "", nil, fmt.Errorf("trust host: %q is no HOST[:PORT]", name)
	}
	a, err := t.Reach.Address(host)
	if err != nil {
		return "", nil, err
	}
	if a.IsLocal() {
		return "", nil, fmt.Errorf("trust host %s: it is this machine, reached without SSH; there is nothing to trust", name)
	}
	if port != 0 {
		a.Port = port
	}
	address := net.JoinHostPort(a.Host, strconv.Itoa(orPort(a.Port)))
	dial := DialFunc(dialDirect)
	switch {
	case a.Program != nil:
		dial = a.Program.Dial
	case a.Jump != nil:
		via, err := t.Reach.Host(ctx, *a.Jump)
		if err != nil {
			return "", nil, err
		}
		dial = via.Dial
	}
	if a.Login.Alias == "" {
		return address, dial, nil
	}
	// By this name alone it is looked up.
	return net.JoinHostPort(a.Login.Alias, "22"), func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) }, nil
}

// pin trusts a public forge whose key is one of those that it publishes, and
// any server that is trusted already. For others the error says what to run.
func (t Trust) pin(ctx context.Context, a gitAddress, dial DialFunc) error {
	files := t.Config.SSH.KnownHosts
	if len(files) == 0 {
		return errors.New("trust host: fairlead.yml names no file for it; write `ssh: { known_hosts: known_hosts }`")
	}
	ok, err := isKnown(files, a.hostPort())
	if ok || err != nil {
		return err
	}
	f, ok := forges()[strings.ToLower(a.host)]
	if !ok {
		return fmt.Errorf("trust host %s: its host key is not known; run `fairlead host trust %s`", a.host, a.target())
	}
	key, err := Scan(ctx, a.hostPort(), dial)
	if err != nil {
		return err
	}
	print := ssh.FingerprintSHA256(key)
	if !slices.Contains(f.fingerprints, print) {
		return fmt.Errorf("trust host %s: it shows %s %s, which is none of the keys published at %s; somebody may be listening in", a.host, key.Type(), print, f.source)
	}
	if err := addKey(files[0], a.hostPort(), key, nil); err != nil {
		return err
	}
	t.Console.Printf("The host key of %s is one of those published at %s; pinned in %s.\n", a.host, f.source, files[0])
	return nil
}

// keyFile is where sshd keeps the public part of a kind of key.
func keyFile(key ssh.PublicKey) string {
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		return "ssh_host_ed25519_key.pub"
	case ssh.KeyAlgoRSA:
		return "ssh_host_rsa_key.pub"
	}
	return "ssh_host_ecdsa_key.pub"
}
