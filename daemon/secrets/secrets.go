// Package secrets ties fairlead.yml's words about secrets to the places where
// they are: which key opens a repository's files, which commands run for it and
// with what environment, and what the operator's programs gave.
//
// Lives here: that wiring. May not live here: what a place or a format is
// (internal/secret), and who asks.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/adapter"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
	"github.com/fairlead-deploy/fairlead/internal/secret/sealed"
	"github.com/fairlead-deploy/fairlead/internal/secret/vault"
	"github.com/fairlead-deploy/fairlead/release"
)

// Opening opens the places of a repository's secrets for a commit's files.
type Opening func(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error)

// Open opens what fairlead.yml says of a repository; ask is the operator's
// program, nil where there is none.
func Open(r config.Repository, ask *vault.Vault) Opening {
	return func(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error) {
		o := secret.Options{
			File: r.Secrets.File, Dir: r.Secrets.Dir,
			Env:  secret.Env{Names: r.Secrets.Env, Prefix: r.Secrets.EnvPrefix},
			Repo: files, Destination: destination, Path: path, Unseal: keysOf(r).Unseal,
		}
		if slices.Contains(r.Allow, "commands") {
			o.Run = Unattended(r.Secrets.Env)
			o.Inline = adapter.Inline(func(env []string) adapter.Runner {
				return vendor(program.Command{Env: append(program.Environ(r.Secrets.Env...), env...), Deadline: vendorTime})
			})
		}
		if ask != nil {
			var err error
			if o.Vault, err = ask.Open(ctx); err != nil {
				return nil, fmt.Errorf("ask for secrets: %w", err)
			}
		}
		return secret.Open(ctx, o)
	}
}

// keysOf open a repository's encrypted files.
func keysOf(r config.Repository) sealed.Keys {
	k := sealed.Keys{
		Age: func() (secret.Value, error) {
			if r.Secrets.Age.IsZero() {
				return secret.Value{}, errors.New("there is no key for it: add `age: { file: /etc/fairlead/age.key }` to the repository's `secrets:` in fairlead.yml")
			}
			return r.Secrets.Age.Resolve()
		},
		Refused: "the program sops may open it with `commands` in the repository's `allow:` in fairlead.yml",
	}
	if slices.Contains(r.Allow, "commands") {
		k.Program = sopsProgram(program.Environ(r.Secrets.Env...))
	}
	return k
}

// sopsTime bounds one run of the program sops.
const sopsTime = 30 * time.Second

// sopsProgram decrypts by the program sops, with this environment.
func sopsProgram(env []string) func(ctx context.Context, format string, data []byte) ([]byte, error) {
	return func(ctx context.Context, format string, data []byte) ([]byte, error) {
		out, err := program.Run(ctx, program.Command{
			Argv: []string{"sops", "--decrypt", "--input-type", format, "--output-type", "json", "/dev/stdin"},
			Env:  env, In: data, Deadline: sopsTime,
		})
		return out.Out, err
	}
}

// NewVault asks the operator's program; nil where there is none.
func NewVault(e *config.Exec, random func() float64, told func(context.Context, string)) *vault.Vault {
	if e == nil {
		return nil
	}
	return vault.New(vault.Options{
		Name: filepath.Base(e.Command[0]),
		Ask: func(ctx context.Context) ([]byte, error) {
			out, err := program.Run(ctx, program.Command{Argv: e.Command, Env: program.Environ(e.Env...), Deadline: e.Deadline})
			return out.Out, err
		},
		Cache: e.Cache, Stale: e.Stale, Random: random, Told: told,
	})
}

// Alerts tells of one trouble once, and of its end once.
type Alerts interface {
	Raise(ctx context.Context, ev release.Event) (bool, error)
	Clear(ctx context.Context, ev release.Event) (bool, error)
}

// Vaults keeps what the operator's programs gave, by repository, as long as
// fairlead.yml says the same of them.
type Vaults struct {
	Alerts Alerts // hears of programs that fail
	Random func() float64
	Log    *slog.Logger

	mu   sync.Mutex
	kept map[string]keptVault
}

type keptVault struct {
	exec config.Exec
	*vault.Vault
}

// Open opens what fairlead.yml says of a repository, with what its program gave
// before.
func (v *Vaults) Open(repo string, r config.Repository) Opening {
	return Open(r, v.of(repo, r.Secrets.Exec))
}

// of is a repository's; nil where there is none.
func (v *Vaults) of(repo string, e *config.Exec) *vault.Vault {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e == nil {
		delete(v.kept, repo)
		return nil
	}
	if k, ok := v.kept[repo]; ok && reflect.DeepEqual(k.exec, *e) {
		return k.Vault
	}
	if v.kept == nil {
		v.kept = map[string]keptVault{}
	}
	k := keptVault{*e, NewVault(e, v.Random, func(ctx context.Context, trouble string) { v.tell(ctx, repo, trouble) })}
	v.kept[repo] = k
	return k.Vault
}

// tell raises an alert about a program that fails, and ends it.
func (v *Vaults) tell(ctx context.Context, repo, trouble string) {
	ev := release.Event{At: time.Now(), Key: "secrets/" + repo, Message: "the program that gives the secrets of " + repo + " works again"}
	var err error
	if trouble == "" {
		_, err = v.Alerts.Clear(ctx, ev)
	} else {
		ev.Message = "the secrets of " + repo + " are old: " + trouble
		v.Log.Warn("secrets are old", "repo", repo, "error", trouble)
		_, err = v.Alerts.Raise(ctx, ev)
	}
	if err != nil && ctx.Err() == nil {
		v.Log.Warn("alert about secrets not kept", "repo", repo, "error", err)
	}
}
