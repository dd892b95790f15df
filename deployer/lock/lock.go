// Package lock keeps two deployers off one service. The lock is Kamal's: the
// folder .kamal/lock-SERVICE[-DEST] on each host, made by mkdir, with a file
// `details` that Kamal's CLI can show (Kamal 2.12, lib/kamal/commands/lock.rb).
// Beside it ours has fairlead.json with an owner and a beat that moves every
// 10 s; one whose beat has not moved for 30 s is dead and is taken.
//
// Whether a beat moves is judged by our own monotonic clock, never by comparing
// a host's time with ours. A lock without fairlead.json is Kamal's or a
// human's: it is respected for ever, and shown.
//
// Lives here: taking, renewing, checking and freeing. May not live here: what
// is done under the lock.
package lock

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/release"
)

const (
	// Renewal is how often a held lock moves its beat.
	Renewal = 10 * time.Second
	// Valid is how long a beat may stand still before the lock is dead.
	Valid = 30 * time.Second

	folder      = ".kamal"
	recordFile  = "fairlead.json"
	detailsFile = "details"
)

// Folders is the part of a host's files that makes a lock: Mkdir must fail
// with fs.ErrExist when the folder is there, and so must Rename, which may only
// replace an empty folder that comes in that very moment.
type Folders interface {
	Mkdir(ctx context.Context, dir string, mode fs.FileMode) error
	MkdirAll(ctx context.Context, dir string, mode fs.FileMode) error
	Rename(ctx context.Context, from, to string) error
	RemoveAll(ctx context.Context, path string) error
}

// Texts is the part that fills it. Read is bounded and fails with
// fs.ErrNotExist.
type Texts interface {
	Read(ctx context.Context, path string) ([]byte, error)
	Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error
	// Create makes a new file, which a reader may for a moment see empty.
	Create(ctx context.Context, path string, content []byte) error
}

// Files is a host's files, paths relative to the ssh user's home.
type Files interface {
	Folders
	Texts
}

// Owner says who takes a lock. ID is this installation's and survives
// restarts, so that a daemon knows its own lock after a crash.
type Owner struct {
	ID      string     `json:"owner"`
	Release release.ID `json:"release"`
	Version string     `json:"version"`
	Message string     `json:"message"`
}

type record struct {
	Owner
	Beat    int64     `json:"beat"`
	Expires time.Time `json:"expires"` // for people; by the owner's clock
}

// HeldError says that somebody else has the lock of a host.
type HeldError struct {
	Host    string
	By      string // one line: who, since when, why
	Foreign bool   // Kamal's or a human's: only they free it
}

func (e *HeldError) Error() string {
	if e.Foreign {
		return fmt.Sprintf("take lock: %s is locked by %s; free it with `fairlead lock release` when nobody deploys", e.Host, e.By)
	}
	return fmt.Sprintf("take lock: %s is locked by %s", e.Host, e.By)
}

// ErrLost is what Check returns when a held lock was not renewed in time or is
// somebody else's: no effect may begin.
var ErrLost = errors.New("the lock was lost")

// Keeper takes locks for one installation. It remembers which beats of others
// it saw, since when.
type Keeper struct {
	log  *slog.Logger
	mu   sync.Mutex
	seen map[string]sighting // by host and lane
}

type sighting struct {
	content string
	since   time.Time
}

// NewKeeper returns a Keeper without locks.
func NewKeeper(log *slog.Logger) *Keeper { return &Keeper{log: log, seen: map[string]sighting{}} }

// Path is where Kamal looks for a lane's lock, relative to the home folder.
func Path(lane release.Lane) string { return path.Join(folder, "lock-"+lane.String()) }

// claim takes the lock of one host, or says who has it. What is in the folder
// comes later (write): the folder is the lock.
func (k *Keeper) claim(ctx context.Context, host string, f Files, lane release.Lane, me Owner) error {
	dir := Path(lane)
	for range 3 {
		err := f.Mkdir(ctx, dir, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if err = f.MkdirAll(ctx, folder, 0o755); err == nil {
				err = f.Mkdir(ctx, dir, 0)
			}
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("take lock: %w", err)
		}
		judged, err := k.judge(ctx, host, f, lane, me)
		if err != nil {
			return err
		}
		if err := bury(ctx, f, lane, me, judged); err != nil {
			return err
		}
		k.log.Info("dead lock taken", "host", host, "service", lane.String())
	}
	return &HeldError{Host: host, By: "somebody who keeps taking it"}
}

// grave is where a dead lock is put, so that of several takers only one has it.
func grave(lane release.Lane, me Owner) string { return Path(lane) + ".dead-" + me.ID }

// bury takes a dead lock away. Between the judgement and the rename somebody
// else may have done so and made a lock of their own: that one is put back.
func bury(ctx context.Context, f Files, lane release.Lane, me Owner, judged string) error {
	dir, to := Path(lane), grave(lane, me)
	if err := f.RemoveAll(ctx, to); err != nil { // of a death half-way through here
		return fmt.Errorf("take dead lock: %w", err)
	}
	if err := f.Rename(ctx, dir, to); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("take dead lock: %w", err)
	}
	text, err := f.Read(ctx, path.Join(to, recordFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take dead lock: %w", err)
	}
	if string(text) != judged {
		_, free := f.Read(ctx, dir) // rename(2) would take the place of an empty folder, which is a lock
		var err error
		if errors.Is(free, fs.ErrNotExist) {
			err = f.Rename(ctx, to, dir)
		}
		if !errors.Is(free, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
			// A third took it meanwhile. Whose this was finds it gone at the next
			// renewal, and begins nothing more.
			err = f.RemoveAll(ctx, to)
		}
		if err != nil {
			return fmt.Errorf("put back a lock: %w", err)
		}
		return nil
	}
	if err := f.RemoveAll(ctx, to); err != nil {
		return fmt.Errorf("remove dead lock: %w", err)
	}
	return nil
}

// judge returns the record of the lock that stands on the host when it is
// dead, and an error when it is not.
func (k *Keeper) judge(ctx context.Context, host string, f Files, lane release.Lane, me Owner) (string, error) {
	dir := Path(lane)
	text, err := f.Read(ctx, path.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", k.judgeDetails(ctx, host, f, lane, me)
	}
	if err != nil {
		return "", fmt.Errorf("read lock: %w", err)
	}
	var r record
	holder := "somebody whose fairlead.json is not written to its end"
	if json.Unmarshal(text, &r) == nil {
		holder = fmt.Sprintf("fairlead %s for %s (%s)", r.ID, r.Release, r.Message)
	}
	if r.ID == me.ID {
		return string(text), nil // this installation's, from before a crash: its data folder is ours alone
	}
	if k.stood(host+"/"+lane.String(), string(text)) >= Valid {
		return string(text), nil
	}
	return "", &HeldError{Host: host, By: holder}
}

// judgeDetails judges a lock without our record: Kamal's or a human's, unless
// it is what is left of one of ours that was made or removed by half.
func (k *Keeper) judgeDetails(ctx context.Context, host string, f Files, lane release.Lane, me Owner) error {
	raw, err := f.Read(ctx, path.Join(Path(lane), detailsFile))
	switch {
	case err == nil && strings.HasPrefix(readDetails(raw), by(me)):
		return nil
	case err == nil && strings.HasPrefix(readDetails(raw), by(Owner{})) && k.stood(host+"/"+lane.String(), string(raw)) >= Valid:
		return nil
	case err == nil && strings.HasPrefix(readDetails(raw), by(Owner{})):
		return &HeldError{Host: host, By: readDetails(raw)}
	case err == nil && len(raw) > 0:
		return &HeldError{Host: host, By: readDetails(raw), Foreign: true}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read lock: %w", err)
	case k.stood(host+"/"+lane.String(), "") >= Valid:
		return nil // an empty folder: its maker died between two calls
	}
	return &HeldError{Host: host, By: "somebody who is just taking it"}
}

// Sweep removes what this installation left on hosts when it died: locks that
// nobody holds any more. Only one who holds none of the lane may call it.
func (k *Keeper) Sweep(ctx context.Context, lane release.Lane, hosts map[string]Files, me Owner) error {
	var wg abreast.Group
	var mu sync.Mutex
	var errs []error
	for host, f := range hosts {
		wg.Go(func() {
			if err := k.sweep(ctx, host, f, lane, me); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("sweep locks of %s: %w", host, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// ErrYoung is what Sweep returns for a lock with nothing in it, or half of its
// record: whoever made it is just taking it, or died of it. Once it has stood so for Valid it goes.
var ErrYoung = errors.New("somebody is just taking the lock, or died of it")

func (k *Keeper) sweep(ctx context.Context, host string, f Files, lane release.Lane, me Owner) error {
	// All at once: on most hosts there is nothing, which is seen in one round trip.
	var wg abreast.Group
	var record, details []byte
	var buried, recordErr, detailsErr, folderErr error
	wg.Go(func() { buried = f.RemoveAll(ctx, grave(lane, me)) })
	wg.Go(func() { record, recordErr = f.Read(ctx, path.Join(Path(lane), recordFile)) })
	wg.Go(func() { details, detailsErr = f.Read(ctx, path.Join(Path(lane), detailsFile)) })
	wg.Go(func() { _, folderErr = f.Read(ctx, Path(lane)) }) // a folder cannot be read; one that is not there says so
	wg.Wait()
	if buried != nil {
		return buried
	}
	if recordErr == nil && isMine(record, me) {
		return f.RemoveAll(ctx, Path(lane))
	}
	if recordErr == nil && json.Valid(record) {
		return nil
	}
	if recordErr != nil && !errors.Is(recordErr, fs.ErrNotExist) {
		return recordErr
	}
	if detailsErr == nil && strings.HasPrefix(readDetails(details), by(me)) {
		return f.RemoveAll(ctx, Path(lane))
	}
	switch {
	case !errors.Is(detailsErr, fs.ErrNotExist):
		return detailsErr
	case errors.Is(folderErr, fs.ErrNotExist):
		return nil
	case k.stood(host+"/"+lane.String(), string(record)) < Valid:
		return ErrYoung
	}
	return bury(ctx, f, lane, me, string(record))
}

func isMine(text []byte, me Owner) bool {
	var r record
	return json.Unmarshal(text, &r) == nil && r.ID == me.ID
}

// stood returns for how long a lock's content has not moved, as far as we saw.
func (k *Keeper) stood(key, content string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.seen[key]
	if !ok || s.content != content {
		k.seen[key] = sighting{content: content, since: time.Now()}
		return 0
	}
	return time.Since(s.since)
}

// sign writes into a new lock whose it is.
func sign(ctx context.Context, f Files, dir string, me Owner) error {
	text, err := json.Marshal(newRecord(me, 0))
	if err != nil {
		return err
	}
	var wg abreast.Group
	var detailsErr error
	wg.Go(func() { detailsErr = f.Create(ctx, path.Join(dir, detailsFile), details(me)) })
	err = f.Create(ctx, path.Join(dir, recordFile), text)
	wg.Wait()
	if err := errors.Join(err, detailsErr); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// renew moves the beat of a lock that is ours.
func renew(ctx context.Context, f Files, dir string, me Owner, beat int64) error {
	text, err := json.Marshal(newRecord(me, beat))
	if err != nil {
		return err
	}
	if err := f.Write(ctx, path.Join(dir, recordFile), text, 0o644); err != nil {
		return fmt.Errorf("renew lock: %w", err)
	}
	return nil
}

func newRecord(me Owner, beat int64) record {
	return record{Owner: me, Beat: beat, Expires: time.Now().Add(Valid).UTC()}
}

// by names an installation in the details of a lock.
func by(me Owner) string { return "fairlead " + me.ID }

// details is the text that `kamal lock status` shows, in Kamal's encoding.
func details(me Owner) []byte {
	text := fmt.Sprintf("Locked by: %s at %s\nVersion: %s\nMessage: %s\n",
		by(me), time.Now().UTC().Format(time.RFC3339), me.Version, me.Message)
	return []byte(base64.StdEncoding.EncodeToString([]byte(text)))
}

// readDetails shows Kamal's details on one line.
func readDetails(raw []byte) string {
	code := strings.Join(strings.Fields(string(raw)), "")
	text, err := base64.StdEncoding.DecodeString(code)
	if err != nil { // ours may be cut off where its writer died
		text, err = base64.StdEncoding.DecodeString(code[:len(code)/4*4])
		if err != nil || !strings.HasPrefix(string(text), "Locked by: "+by(Owner{})) {
			text = raw
		}
	}
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r < ' ' })
	return strings.TrimPrefix(strings.Join(lines, ", "), "Locked by: ")
}
