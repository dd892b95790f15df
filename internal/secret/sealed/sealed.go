// Package sealed opens the encrypted secrets of a repository: files that age
// encrypted whole, and those whose values sops encrypted.
//
// Lives here: age's keys, and which key opens what. May not live here: the
// format of sops (package sops), where files are, and any encryption.
package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/sops"
)

// maxPlain bounds what a file decrypts to, in bytes.
const maxPlain = 1 << 20

// Keys open encrypted files.
type Keys struct {
	// Age gives age's identities, as age-keygen writes them. Where there are
	// none its error says how to give some.
	Age func() (secret.Value, error)
	// Program decrypts a file of sops by the program sops, given its format
	// ("dotenv", "yaml", "json"), and returns JSON. Nil where it is not allowed.
	Program func(ctx context.Context, format string, data []byte) ([]byte, error)
	// Refused says what to do where Program is nil.
	Refused string
}

var _ secret.Unsealer = Keys{}.Unseal

// Unseal decrypts a file. No error holds a value of it.
func (k Keys) Unseal(ctx context.Context, name string, data []byte) (secret.Unsealed, error) {
	if isAge(data) {
		plain, err := k.age(data)
		if err != nil {
			return secret.Unsealed{}, fmt.Errorf("decrypt it with age: %w", err)
		}
		return secret.Unsealed{Dotenv: secret.New(string(plain))}, nil
	}
	if strings.HasSuffix(name, ".age") {
		return secret.Unsealed{}, errors.New("it is not encrypted with age: `age -r RECIPIENT -o FILE.age FILE` does that")
	}
	values, err := k.sops(ctx, name, data)
	if err != nil {
		return secret.Unsealed{}, err
	}
	out := secret.Unsealed{Values: make(map[string]secret.Value, len(values))}
	for _, v := range values {
		out.Values[v.Name] = secret.New(v.Plain)
	}
	return out, nil
}

// isAge tells whether data begins as age's files do.
func isAge(data []byte) bool {
	return bytes.HasPrefix(data, []byte("age-encryption.org/")) || bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(armor.Header))
}

// age decrypts what age encrypted.
func (k Keys) age(data []byte) ([]byte, error) {
	keys, err := k.Age()
	if err != nil {
		return nil, err
	}
	identities, err := age.ParseIdentities(strings.NewReader(keys.Reveal()))
	if err != nil || len(identities) == 0 { // its words may hold a key
		return nil, errors.New("the age key is unreadable: it is lines of AGE-SECRET-KEY-1…, as age-keygen writes them; keys of SSH and of plugins are not understood")
	}
	var in io.Reader = bytes.NewReader(data)
	if !bytes.HasPrefix(data, []byte("age-encryption.org/")) {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, identities...)
	if _, none := errors.AsType[*age.NoIdentityMatchError](err); none {
		return nil, fmt.Errorf("it is not encrypted for the key that is here%s; encrypt it for that too", recipient(identities))
	}
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(out, maxPlain+1))
	switch {
	case err != nil:
		return nil, err
	case len(plain) > maxPlain:
		return nil, fmt.Errorf("it is longer than %d bytes", maxPlain)
	}
	return plain, nil
}

// recipient names the first key's public half.
func recipient(identities []age.Identity) string {
	if x, ok := identities[0].(*age.X25519Identity); ok {
		return " (" + x.Recipient().String() + ")"
	}
	return ""
}

// sops decrypts natively where an age key opens the file, else by the program.
func (k Keys) sops(ctx context.Context, name string, data []byte) ([]sops.Secret, error) {
	file, err := sops.Parse(name, data)
	if err == nil {
		var key []byte
		if key, err = k.dataKey(file); err == nil {
			return file.Decrypt(key)
		}
	} else if _, foreign := errors.AsType[*sops.UnsupportedError](err); !foreign {
		if errors.Is(err, sops.ErrPlain) {
			err = fmt.Errorf("%w; `sops encrypt -i FILE` does that", err)
		}
		return nil, err
	}
	if k.Program == nil {
		if k.Refused != "" {
			err = fmt.Errorf("%w; %s", err, k.Refused)
		}
		return nil, err
	}
	out, failed := k.Program(ctx, format(name), data)
	if failed != nil {
		return nil, fmt.Errorf("%w; and the program sops: %w", err, failed)
	}
	return sops.Flatten(out)
}

// dataKey tries each wrapped data key until one opens.
func (k Keys) dataKey(file *sops.File) (key []byte, err error) {
	for _, wrapped := range file.AgeKeys() {
		if key, err = k.age([]byte(wrapped)); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("decrypt its data key with age: %w", err)
}

// format is what sops calls a file's format.
func format(name string) string {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	}
	return "dotenv"
}
