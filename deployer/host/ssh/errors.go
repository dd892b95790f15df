package ssh

import (
	"errors"
	"fmt"
)

// What callers branch on.
var (
	// ErrUnreachable: no SSH server answers there, or not in time.
	ErrUnreachable = errors.New("the host cannot be reached")
	// ErrAuth: the server took none of our keys. Trying again does not help.
	ErrAuth = errors.New("the server accepted none of the keys")
	// ErrLost: the connection broke while it was used.
	ErrLost = errors.New("the SSH connection was lost")
	// ErrRefused: nobody listens at the address, or the server could not
	// connect to it.
	ErrRefused = errors.New("the host could not connect there")
	// ErrProhibited: the server's configuration forbids this forwarding.
	ErrProhibited = errors.New("the SSH server forbids forwarding (AllowTcpForwarding, AllowStreamLocalForwarding or PermitOpen in sshd_config)")
	// ErrClosed: the Client was closed.
	ErrClosed = errors.New("the client is closed")
)

// A ConnectError says that there is no connection to a host, and why.
type ConnectError struct {
	Host string // as deploy.yml or fairlead.yml names it
	Err  error
}

func (e *ConnectError) Error() string { return fmt.Sprintf("connect to %s: %v", e.Host, e.Err) }

// Unwrap gives the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// An UnknownHostKeyError says that no known_hosts file knows the host.
type UnknownHostKeyError struct {
	Host        string // as `fairlead host trust` takes it: HOST[:PORT]
	KeyType     string // such as "ssh-ed25519"
	Fingerprint string // "SHA256:…", as ssh-keygen -l prints it
}

// Error says what to do.
func (e *UnknownHostKeyError) Error() string {
	return fmt.Sprintf("the host key of %s is not known (%s %s); compare it with the server's and run `fairlead host trust %s`",
		e.Host, e.KeyType, e.Fingerprint, e.Host)
}

// A HostKeyChangedError says that the host showed another key than the one
// known: somebody may be listening in, or the host was installed anew.
type HostKeyChangedError struct {
	Host        string
	KeyType     string
	Fingerprint string // of the key shown now
	KnownAt     string // FILE:LINE of the key known before
}

// Error says what to do.
func (e *HostKeyChangedError) Error() string {
	return fmt.Sprintf("the host key of %s has CHANGED (now %s %s; known before at %s): if the host was installed anew, run `fairlead host trust --replace %s`; otherwise somebody may be listening in",
		e.Host, e.KeyType, e.Fingerprint, e.KnownAt, e.Host)
}

// permanent tells errors that another try does not cure.
func permanent(err error) bool {
	_, unknown := errors.AsType[*UnknownHostKeyError](err)
	_, changed := errors.AsType[*HostKeyChangedError](err)
	return unknown || changed || errors.Is(err, ErrAuth)
}
