package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// writeKeyPair makes an ed25519 key: the private half at path, mode 0600, the
// public half beside it.
func writeKeyPair(path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "fairlead fleet")
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(key), 0o644); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// makeHostKey makes a machine's key before the machine exists and writes its
// public half into the fleet's known_hosts: nobody ever has to trust a key on
// first use.
func (f *Fleet) makeHostKey(path, addr string) error {
	if err := writeKeyPair(path); err != nil {
		return err
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		return fmt.Errorf("read host key: %w", err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return fmt.Errorf("read host key: %w", err)
	}
	file, err := os.OpenFile(f.KnownHosts, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write known_hosts: %w", err)
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, knownhosts.Line([]string{addr}, key)); err != nil {
		return fmt.Errorf("write known_hosts: %w", err)
	}
	return nil
}
