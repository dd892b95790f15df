package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// login lets every host's engine try the account that it pulls with. No login
// is left there: pulls bring the account with them.
func (w *work) login(ctx context.Context, hosts []string) error {
	account, err := w.Account(ctx)
	if err != nil {
		return err
	}
	registry := cmp.Or(account.Server, "Docker Hub")
	if account.Username == "" && account.Password.IsZero() {
		return &operation.Refusal{Message: "deploy.yml names no account of a registry", Hint: "write registry.username and registry.password, or leave it: what is public needs none"}
	}
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		if err := h.Ground.TryLogin(ctx, account); errors.Is(err, docker.ErrUnauthorized) {
			return &operation.Refusal{Message: registry + " refused the account of " + h.Name + ": " + err.Error(), Hint: "check registry.username and the secret of registry.password"}
		} else if err != nil {
			return err
		}
		return w.done(operation.Source{Host: h.Name}, "%s takes the account %s", registry, account.Username)
	})
}

// dockerConfig is where `docker login` keeps accounts (Docker CLI reference,
// "docker login", credential storage), relative to the ssh user's home.
const dockerConfig = ".docker/config.json"

// logout removes the login to the service's registry that Kamal, or a person,
// left on a host.
func (w *work) logout(ctx context.Context, hosts []string) error {
	server := cmp.Or(w.Deploy.Registry.Server, "https://index.docker.io/v1/")
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		src := operation.Source{Host: h.Name}
		text, err := h.Files.Read(ctx, dockerConfig)
		if errors.Is(err, fs.ErrNotExist) {
			return w.done(src, "has no login")
		}
		if err != nil {
			return err
		}
		text, had, err := loggedOut(text, server)
		switch {
		case err != nil:
			return &operation.Refusal{Message: h.Name + ": ~/" + dockerConfig + " cannot be read: " + err.Error(), Hint: "look at it there"}
		case !had:
			return w.done(src, "has no login to %s", server)
		}
		if err := h.Files.Write(ctx, dockerConfig, text, 0o600); err != nil {
			return err
		}
		return w.done(src, "logged out of %s", server)
	})
}

// loggedOut takes a server's account out of Docker's configuration; all else in
// it stays.
func loggedOut(config []byte, server string) (out []byte, had bool, err error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, false, err
	}
	auths := map[string]json.RawMessage{}
	if raw, ok := all["auths"]; ok {
		if err := json.Unmarshal(raw, &auths); err != nil {
			return nil, false, err
		}
	}
	if _, had = auths[server]; !had {
		return config, false, nil
	}
	delete(auths, server)
	if all["auths"], err = json.Marshal(auths); err != nil {
		return nil, false, err
	}
	out, err = json.MarshalIndent(all, "", "\t")
	return out, true, err
}
