package setup

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Key is an SSH key of ours.
type Key struct {
	File string
	Made bool // just now
	// Line is the public key as authorized_keys takes it, without line end.
	Line string
}

// EnsureKey reads the private key at file, and makes an ed25519 one, mode
// 0600, where there is none. random is a cryptographic source.
func EnsureKey(file, comment string, random io.Reader) (Key, error) {
	text, err := secret.ReadPrivate(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file, comment, random)
	}
	if err != nil {
		return Key{}, err
	}
	signer, err := ssh.ParsePrivateKey([]byte(text.Reveal()))
	if err != nil {
		return Key{}, fmt.Errorf("read key %s: %w", file, err)
	}
	return Key{File: file, Line: publicLine(signer.PublicKey(), comment)}, nil
}

func makeKey(file, comment string, random io.Reader) (Key, error) {
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	if err := makeDir(filepath.Dir(file)); err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	if err := writeFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return Key{}, err
	}
	return Key{File: file, Made: true, Line: publicLine(signer.PublicKey(), comment)}, nil
}

func publicLine(k ssh.PublicKey, comment string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " " + comment
}

// comment names this machine in a public key.
func comment(what string) string {
	name, err := os.Hostname()
	if err != nil || strings.ContainsAny(name, " \n") {
		return what
	}
	return what + "@" + name
}

// HostsKey returns the key with which hosts are reached, and makes it where it
// is missing.
func HostsKey(c *config.Config, random io.Reader) (Key, error) {
	if len(c.SSH.Keys) == 0 {
		return Key{}, errors.New("find key: fairlead.yml names none; write `ssh: { key: id_ed25519, known_hosts: known_hosts }`")
	}
	return EnsureKey(c.SSH.Keys[0], comment("fairlead"), random)
}
