package lock

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Standing is how a lane's lock stands on one host.
type Standing struct {
	Held bool
	By   string // one line: who, since when, why
	// Ours is a Fairlead's, which renews it while it lives and frees it itself.
	Ours bool
}

// Look reads how a lane's lock stands, for people.
func Look(ctx context.Context, f Files, lane release.Lane) (Standing, error) {
	record, err := f.Read(ctx, path.Join(Path(lane), recordFile))
	if err == nil {
		return Standing{Held: true, By: recorded(record), Ours: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Standing{}, fmt.Errorf("read lock: %w", err)
	}
	details, err := f.Read(ctx, path.Join(Path(lane), detailsFile))
	switch {
	case err == nil:
		return Standing{Held: true, By: readDetails(details)}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return Standing{}, fmt.Errorf("read lock: %w", err)
	}
	if _, err = f.Read(ctx, Path(lane)); errors.Is(err, fs.ErrNotExist) { // a folder cannot be read; one that is not there says so
		return Standing{}, nil
	}
	return Standing{Held: true, By: "somebody who is just taking it"}, nil
}

// recorded shows our own record on one line.
func recorded(text []byte) string {
	var r record
	if json.Unmarshal(text, &r) != nil {
		return "a fairlead whose record cannot be read"
	}
	if r.Release == "" {
		return fmt.Sprintf("fairlead %s (%s)", r.ID, r.Message)
	}
	return fmt.Sprintf("fairlead %s for %s (%s)", r.ID, r.Release, r.Message)
}

// Person is who takes a lock by hand.
type Person struct{ Name, Version, Message string }

// Acquire takes a lane's lock on one host for a person, who alone frees it: it
// has no beat. A *HeldError where somebody has it.
func Acquire(ctx context.Context, host string, f Files, lane release.Lane, p Person) error {
	if err := f.MkdirAll(ctx, folder, 0o755); err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	err := f.Mkdir(ctx, Path(lane), 0)
	if errors.Is(err, fs.ErrExist) {
		s, err := Look(ctx, f, lane)
		if err != nil {
			return err
		}
		return &HeldError{Host: host, By: s.By, Foreign: !s.Ours}
	}
	if err != nil {
		return fmt.Errorf("take lock: %w", err)
	}
	text := fmt.Sprintf("Locked by: %s at %s\nVersion: %s\nMessage: %s\n", p.Name, time.Now().UTC().Format(time.RFC3339), p.Version, p.Message)
	if err := f.Create(ctx, path.Join(Path(lane), detailsFile), []byte(base64.StdEncoding.EncodeToString([]byte(text)))); err != nil {
		return fmt.Errorf("write lock: %w", errors.Join(err, f.RemoveAll(context.WithoutCancel(ctx), Path(lane))))
	}
	return nil
}

// ErrOurs is what Release returns for a lock that a Fairlead renews.
var ErrOurs = errors.New("a Fairlead holds the lock and frees it itself when it is done; one that died loses it after 30 s")

// Release frees a lane's lock on one host, Kamal's or a person's; one that is
// not held is free. A Fairlead's own is left: ErrOurs.
func Release(ctx context.Context, f Files, lane release.Lane) error {
	_, err := f.Read(ctx, path.Join(Path(lane), recordFile))
	if err == nil {
		return ErrOurs
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read lock: %w", err)
	}
	if err := f.RemoveAll(ctx, Path(lane)); err != nil {
		return fmt.Errorf("free lock: %w", err)
	}
	return nil
}
