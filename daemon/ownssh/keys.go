package ownssh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	xssh "golang.org/x/crypto/ssh"
)

// keyring are the private keys of some files.
type keyring struct {
	files  []string         // those that need no passphrase
	locked []string         // those that do: their agent has them
	held   []xssh.PublicKey // the public keys of locked, as far as they are known
}

func (k *keyring) add(more keyring) {
	k.files, k.locked, k.held = append(k.files, more.files...), append(k.locked, more.locked...), append(k.held, more.held...)
}

// keysIn reads files; those that are missing are left out.
func keysIn(files []string) (k keyring, err error) {
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = xssh.ParsePrivateKey(pem)
		}
		if needs, ok := errors.AsType[*xssh.PassphraseMissingError](err); ok {
			k.locked = append(k.locked, file)
			if key := publicKey(file, needs); key != nil {
				k.held = append(k.held, key)
			}
			continue
		}
		if err != nil {
			return k, fmt.Errorf("read key %s: %w", file, err)
		}
		k.files = append(k.files, file)
	}
	return k, nil
}

// publicKey is that of a file with a passphrase: in it, or beside it.
func publicKey(file string, needs *xssh.PassphraseMissingError) xssh.PublicKey {
	if needs.PublicKey != nil {
		return needs.PublicKey
	}
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		return nil
	}
	key, _, _, _, err := xssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}
