package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	dialTimeout = 10 * time.Second
	scanTimeout = 20 * time.Second // dial and handshake
)

// A DialFunc opens a TCP connection.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// keyTypes are asked for in this order; certificates are not understood by
// known_hosts lines of single hosts.
func keyTypes() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
}

var errSeen = errors.New("the key was seen")

// Scan asks the SSH server at an address (host:port) for its host key and
// does not log in.
func Scan(ctx context.Context, address string, dial DialFunc) (ssh.PublicKey, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, scanTimeout, fmt.Errorf("no SSH handshake within %s", scanTimeout))
	defer cancel()
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its host key: %w; check the address, and that its sshd answers", address, err)
	}
	// Not SetDeadline: a connection through a jump host has none.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	var key ssh.PublicKey
	_, _, _, err = ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: "fairlead", ClientVersion: "SSH-2.0-fairlead", HostKeyAlgorithms: keyTypes(),
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return errSeen
		},
	})
	switch {
	case key != nil:
		return key, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("ask %s for its host key: %w", address, err)
}

// dialDirect dials without a host between.
func dialDirect(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
}
