// Package vault keeps the secrets that a program of the operator's gives, so
// that a hundred looks ask it once, and a vault that refuses or limits its
// callers stops no rollout at once.
//
// Lives here: how long an answer is good, when to ask again, and what an answer
// is. May not live here: how a program is run.
package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
)

// Options of a vault.
type Options struct {
	Name string // for people: "op"
	// Ask runs the program once and returns what it printed.
	Ask   func(ctx context.Context) ([]byte, error)
	Cache time.Duration // how long an answer is good; 0 or less: not at all
	Stale time.Duration // how much longer it is used while Ask fails; 0 or less: not at all
	// Random draws the jitter, from 0 to below 1.
	Random func() float64
	// Told hears of a failure that old values are used in place of, once, and
	// with "" of its end. May be nil.
	Told func(ctx context.Context, trouble string)
}

// Vault asks a program for secrets. It is safe for concurrent use; one asks,
// the others wait for its answer.
type Vault struct {
	o    Options
	turn chan struct{} // holds one token

	values   secret.Place // of the last answer; nil: none yet
	read     time.Time
	failures int
	failed   error
	until    time.Time // before this the program is not asked again
	told     bool
}

// New makes a vault that was not asked yet.
func New(o Options) *Vault {
	v := &Vault{o: o, turn: make(chan struct{}, 1)}
	v.turn <- struct{}{}
	return v
}

// Open returns what the program gave, no older than Cache, or than Cache and
// Stale while it fails.
func (v *Vault) Open(ctx context.Context) (secret.Place, error) {
	select {
	case <-v.turn:
		defer func() { v.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %s: %w", v.o.Name, context.Cause(ctx))
	}
	now := time.Now()
	if v.good(now, 0) || now.Before(v.until) && v.good(now, v.o.Stale) {
		return v.values, nil
	}
	if now.Before(v.until) {
		return nil, fmt.Errorf("%w; it is asked again in %s", v.failed, v.until.Sub(now).Round(time.Second))
	}
	out, err := v.o.Ask(ctx)
	var values map[string]secret.Value
	if err == nil {
		values, err = Read(ctx, v.o.Name, out)
	}
	if err == nil {
		v.values, v.read, v.failures, v.failed = secret.Fixed(v.o.Name, values), time.Now(), 0, nil
		v.tell(ctx, "")
		return v.values, nil
	}
	if ctx.Err() != nil {
		return nil, err // the caller's end is no failure of the program
	}
	now = time.Now()
	v.failures++
	v.failed = err
	v.until = now.Add(Pause(v.failures, Limited(err), v.o.Random()))
	if !v.good(now, v.o.Stale) {
		return nil, err
	}
	v.tell(ctx, fmt.Sprintf("%v; the secrets that it gave %s ago are used, for another %s at most",
		err, now.Sub(v.read).Round(time.Second), (v.o.Cache+v.o.Stale-now.Sub(v.read)).Round(time.Second)))
	return v.values, nil
}

// good tells whether the last answer may be used, so much longer than Cache.
func (v *Vault) good(now time.Time, longer time.Duration) bool {
	return v.values != nil && now.Sub(v.read) < max(v.o.Cache, 0)+max(longer, 0)
}

func (v *Vault) tell(ctx context.Context, trouble string) {
	if v.o.Told != nil && (trouble != "") != v.told {
		v.told = trouble != ""
		v.o.Told(ctx, trouble)
	}
}

// The pauses after failures.
const (
	firstPause   = 5 * time.Second
	longestPause = 5 * time.Minute
	firstLimited = time.Minute
	longLimited  = 30 * time.Minute
)

// Pause is how long not to ask after so many failures in a row: doubling, up to
// a bound, longer where the vault limits its callers, and between half of that
// and all of it, so that many daemons do not come at once.
func Pause(failures int, limited bool, random float64) time.Duration {
	pause, most := firstPause, longestPause
	if limited {
		pause, most = firstLimited, longLimited
	}
	for range failures - 1 {
		pause = min(2*pause, most)
	}
	return pause/2 + time.Duration(random*float64(pause/2))
}

// tempFail is EX_TEMPFAIL of sysexits(3): try again later.
const tempFail = 75

var limits = regexp.MustCompile(`(?i)rate.?limit|too many requests|\b429\b|throttl|quota|limit exceeded|slow down|try again later`)

// Limited tells whether a program failed since its vault limits its callers, by
// its exit status or by what it said.
func Limited(err error) bool {
	failed, ok := errors.AsType[*program.Error](err)
	return ok && (failed.Status == tempFail || limits.MatchString(failed.Said))
}

// Read reads what a program printed: a JSON object of names and values, or
// NAME=value lines. Errors hold no value.
func Read(ctx context.Context, name string, out []byte) (map[string]secret.Value, error) {
	trimmed := bytes.TrimSpace(out)
	if len(trimmed) == 0 {
		return nil, fmt.Errorf("%s printed nothing; it must print a JSON object, or NAME=value lines", name)
	}
	if trimmed[0] != '{' {
		return secret.ParseDotenv(ctx, "the output of "+name, string(out))
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(trimmed, &object) != nil {
		return nil, fmt.Errorf("%s printed what is no JSON object", name)
	}
	values := make(map[string]secret.Value, len(object))
	for key, raw := range object {
		var text string
		switch {
		case json.Unmarshal(raw, &text) == nil && raw[0] == '"':
			values[key] = secret.New(text)
		case raw[0] == '{' || raw[0] == '[' || bytes.Equal(raw, []byte("null")):
			return nil, fmt.Errorf("%s printed a JSON object whose %q is no text", name, key)
		default: // a number, true, false: as it is written
			values[key] = secret.New(string(raw))
		}
	}
	return values, nil
}
