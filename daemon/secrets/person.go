package secrets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/adapter"
	"github.com/fairlead-deploy/fairlead/internal/secret/sealed"
)

// OfPerson opens Kamal's places for a person's own project in a folder: its
// files, in which $(commands) run as the person that wrote them there, then the
// environment.
func OfPerson(ctx context.Context, dir string, files fs.FS, destination, path string) (secret.Source, error) {
	source, err := secret.Open(ctx, secret.Options{
		Repo: files, Destination: destination, Path: path, EnvLast: true,
		Run: Attended(dir), Inline: adapter.Inline(func(env []string) adapter.Runner { return AttendedVendor(dir, env) }), Unseal: PersonsKeys().Unseal,
		Env: secret.Env{Prefix: "$", LookupEnv: func(name string) (string, bool) { // every variable, shown as $…
			return os.LookupEnv(strings.TrimPrefix(name, "$"))
		}},
	})
	if len(source) == 1 { // the environment alone
		source = append(secret.Source{noSecrets(path)}, source...)
	}
	return source, err
}

// noSecrets stands for Kamal's file where there is none, so that a missing
// secret's error says where it belongs.
type noSecrets string

// Lookup finds nothing.
func (noSecrets) Lookup(string) (secret.Value, bool, error) { return secret.Value{}, false, nil }

func (n noSecrets) String() string { return string(n) + " (which does not exist yet)" }

// PersonsKeys are those of whoever works from a checkout: where sops looks for
// age keys, and the program sops.
func PersonsKeys() sealed.Keys {
	return sealed.Keys{Age: personsAge, Program: sopsProgram(os.Environ())}
}

// personsAge reads all keys that are there. The names are those of sops.
func personsAge() (secret.Value, error) {
	files := []string{os.Getenv("SOPS_AGE_KEY_FILE")}
	if dir, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(dir, "sops", "age", "keys.txt"))
	}
	keys := os.Getenv("SOPS_AGE_KEY") + "\n"
	for _, file := range files {
		if file == "" {
			continue
		}
		v, err := secret.ReadPrivate(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return secret.Value{}, err
		}
		keys += v.Reveal() + "\n"
	}
	if len(keys) <= 2 {
		return secret.Value{}, errors.New("there is no key for it: set SOPS_AGE_KEY_FILE, or put your age key into " + files[len(files)-1])
	}
	return secret.New(keys), nil
}
