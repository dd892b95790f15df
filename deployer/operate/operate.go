package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Service is one service on its hosts.
type Service struct {
	Deploy *spec.Deploy
	// Connect reaches a host of deploy.yml, accessories' included, by its name.
	Connect func(ctx context.Context, name string) (Host, error)
	Keeper  *lock.Keeper
	// Unique makes a word that was never used before.
	Unique func() string
	// Hold keeps the service as a person leaves it; nil where nothing here
	// follows Git.
	Hold func(ctx context.Context, h release.Hold) error
	// Failed returns the ids of the releases that are known to have failed.
	Failed func(ctx context.Context) ([]string, error)
	// Served returns the deploy.yml of the last release that succeeded, which says
	// how its version is served; nil where that is not known, or none did.
	Served func(ctx context.Context) (d *spec.Deploy, version string, err error)
	// Account is what the hosts pull with.
	Account func(ctx context.Context) (docker.Auth, error)
	Hooks   Hooks // nil: there are none
	Log     *slog.Logger
}

// Hooks runs the hook of a name that comes with an ask, which is about hosts,
// where the ask does not leave it out.
type Hooks func(ctx context.Context, ask operation.Ask, name string, hosts []string, tell func(operation.Told) error) error

// Lane is the service's.
func (s *Service) Lane() release.Lane {
	return release.Lane{Service: s.Deploy.Service, Destination: s.Deploy.Destination}
}

// work is one ask being carried out.
type work struct {
	*Service
	ask operation.Ask
	who operation.Caller
	mu  sync.Mutex // of Tell

	chosen []target // sorted as deploy.yml has them
	held   *lock.Held
}

// Do carries out an ask and returns when it is done, or when ctx ends. Errors
// of type *operation.Refusal say what to do.
func (s *Service) Do(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if why := ask.Check(); why != "" {
		return &operation.Refusal{Message: why, Hint: "`fairlead help` shows how"}
	}
	w := &work{Service: s, ask: ask, who: who}
	var err error
	if w.chosen, err = choose(s.Deploy, ask); err != nil {
		return err
	}
	do := w.verbs()[ask.Verb]
	if ask.Verb.Changes() || ask.Stop {
		return w.locked(ctx, do)
	}
	return do(ctx, w.hosts())
}

// With does something to the hosts that an ask is about, while their locks are
// the asker's: before each effect on a host, may says whether that is so still.
func (s *Service) With(ctx context.Context, ask operation.Ask, who operation.Caller, do func(ctx context.Context, hosts []string, may func(ctx context.Context, host string) error) error) error {
	w := &work{Service: s, ask: ask, who: who}
	var err error
	if w.chosen, err = choose(s.Deploy, ask); err != nil {
		return err
	}
	return w.locked(ctx, func(ctx context.Context, hosts []string) error { return do(ctx, hosts, w.may) })
}

// verbs are how each verb is done, on hosts that are reached or not.
func (w *work) verbs() map[operation.Verb]func(context.Context, []string) error {
	return map[operation.Verb]func(context.Context, []string) error{
		operation.Exec: w.exec, operation.Logs: w.logs,
		operation.Details: w.details, operation.Containers: w.containers, operation.Images: w.images,
		operation.Version: w.version, operation.Stale: w.stale,
		operation.Start: w.start, operation.Stop: w.stop, operation.Maintenance: w.maintenance, operation.Live: w.live,
		operation.RemoveApp: w.removeApp, operation.Remove: w.removeAll, operation.RemoveContainer: w.removeStopped,
		operation.RemoveContainers: w.removeStopped, operation.RemoveImages: w.removeImages,
		operation.PruneContainers: w.pruneContainers, operation.PruneImages: w.removeImages, operation.Prune: w.prune,
		operation.Audit: w.audit, operation.LockStatus: w.lockStatus, operation.LockAcquire: w.lockAcquire,
		operation.LockRelease: w.lockRelease, operation.ServerExec: w.serverExec, operation.ServerBootstrap: w.bootstrap,
		operation.RegistryLogin: w.login, operation.RegistryLogout: w.logout,
	}
}

// tell passes one thing on.
func (w *work) tell(t operation.Told) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.who.Tell(t)
}

func (w *work) done(from operation.Source, format string, args ...any) error {
	return w.tell(operation.Told{Source: from, Done: fmt.Sprintf(format, args...)})
}

func (w *work) warn(from operation.Source, format string, args ...any) error {
	return w.tell(operation.Told{Source: from, Warning: fmt.Sprintf(format, args...)})
}

// connectTime bounds reaching a host.
const connectTime = 20 * time.Second

// each works on all hosts at once; what fails on one does not keep the others.
func (w *work) each(ctx context.Context, names []string, do func(ctx context.Context, h Host) error) error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			h, err := w.connect(ctx, name)
			if err == nil {
				err = do(ctx, h)
			}
			errs[i] = named(name, err)
		})
	}
	wg.Wait()
	return together(errs)
}

func (w *work) connect(ctx context.Context, name string) (Host, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTime, errors.New("no answer within 20s"))
	defer cancel()
	return w.Connect(ctx, name)
}

// named makes an error say its host, once, and what to do where it is away.
func named(host string, err error) error {
	if err == nil {
		return nil
	}
	plain := rollout.Plain(err)
	if errors.Is(plain, ssh.ErrUnreachable) || errors.Is(plain, context.DeadlineExceeded) {
		plain = fmt.Errorf("%w; check that it is up and its engine answers", plain)
	}
	if strings.Contains(plain.Error(), host) {
		return plain
	}
	return fmt.Errorf("%s: %w", host, plain)
}

// together is one error of those of several hosts.
func together(errs []error) error {
	bad := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(bad) < 2 || len(errs) == 1 {
		return errors.Join(bad...)
	}
	return fmt.Errorf("on %d of %d hosts: %w", len(bad), len(errs), errors.Join(bad...))
}

// locked does something while the lock of every host that answers is ours.
func (w *work) locked(ctx context.Context, do func(context.Context, []string) error) error {
	names := w.hosts()
	files := map[string]lock.Files{}
	var mu sync.Mutex
	away := w.each(ctx, names, func(_ context.Context, h Host) error {
		mu.Lock()
		defer mu.Unlock()
		files[h.Name] = h.Files
		return nil
	})
	names = slices.DeleteFunc(names, func(name string) bool { return files[name] == nil })
	if len(names) == 0 {
		return away
	}
	me := lock.Owner{ID: "by-hand-" + w.Unique(), Message: fmt.Sprintf("%s by %s", w.ask.Verb, cmp.Or(w.ask.Actor, "someone"))}
	held, err := w.take(ctx, files, me)
	if err != nil {
		return err
	}
	defer func() {
		if err := held.Free(context.WithoutCancel(ctx)); err != nil {
			w.Log.Warn("lock not freed", "service", w.Lane().String(), "error", err)
		}
	}()
	w.held = held
	return errors.Join(do(ctx, names), away)
}

// take takes the lock. One that a Fairlead holds is waited for a while: it is
// busy for moments mostly, and one that died loses it.
func (w *work) take(ctx context.Context, files map[string]lock.Files, me lock.Owner) (*lock.Held, error) {
	told := false
	for until := time.Now().Add(lockPatience); ; {
		held, err := w.Keeper.Take(ctx, w.Lane(), files, me, nil)
		other, taken := errors.AsType[*lock.HeldError](err)
		if err == nil || !taken || other.Foreign || time.Now().After(until) {
			return held, err
		}
		if !told {
			told = true
			if err := w.warn(operation.Source{Host: other.Host}, "locked by %s; waiting", other.By); err != nil {
				return nil, err
			}
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// lockPatience is how long a lock of a Fairlead is waited for: longer than a
// dead one stands.
const (
	lockPatience = lock.Valid + 15*time.Second
	lockPause    = 2 * time.Second
)

// may tells whether an effect may begin on a host: its lock is still ours.
func (w *work) may(ctx context.Context, host string) error { return w.held.Check(ctx, host) }
