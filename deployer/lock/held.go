package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/release"
)

// Held is the lock of a lane on several hosts. Free must be called.
type Held struct {
	keeper *Keeper
	lane   release.Lane
	me     Owner
	hosts  map[string]Files
	stop   context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	fresh map[string]time.Time // when each host's beat last moved
	lost  map[string]error     // by host: it is somebody else's
}

// callTime bounds each renewal: one that takes longer counts as missed.
const callTime = 8 * time.Second

// Take takes the lane's lock on every host, or on none. The first host by name
// goes alone, so that of two takers with the same hosts one gets all. The
// error is a *HeldError when somebody has one. meanwhile, where not nil, is
// called once nobody else can have any of them, while ours is still being
// written into them; Take waits for it.
func (k *Keeper) Take(ctx context.Context, lane release.Lane, hosts map[string]Files, me Owner, meanwhile func(context.Context)) (*Held, error) {
	names := make([]string, 0, len(hosts))
	for name := range hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	h := &Held{keeper: k, lane: lane, me: me, hosts: hosts, fresh: map[string]time.Time{}, lost: map[string]error{}, done: make(chan struct{})}
	for len(names) > 0 {
		n := 1
		if len(h.fresh) > 0 {
			n = len(names)
		}
		if err := h.claim(ctx, names[:n]); err != nil {
			h.sight(ctx, names[n:], err)
			close(h.done)
			return nil, errors.Join(err, h.remove(context.WithoutCancel(ctx)))
		}
		names = names[n:]
	}
	if err := h.sign(ctx, meanwhile); err != nil {
		close(h.done)
		return nil, errors.Join(err, h.remove(context.WithoutCancel(ctx)))
	}
	h.begin(ctx)
	return h, nil
}

// TakeSome takes the lane's lock wherever it can be had now, which is how a
// rollout goes back on the hosts that it can reach. bad has why not elsewhere,
// by host. held is nil where there is none at all.
func (k *Keeper) TakeSome(ctx context.Context, lane release.Lane, hosts map[string]Files, me Owner) (held *Held, bad map[string]error) {
	h := &Held{keeper: k, lane: lane, me: me, hosts: map[string]Files{}, fresh: map[string]time.Time{}, lost: map[string]error{}, done: make(chan struct{})}
	bad = map[string]error{}
	claiming, cancel := context.WithTimeoutCause(ctx, callTime, errors.New("the host did not answer"))
	defer cancel()
	var wg abreast.Group
	for name, files := range hosts {
		wg.Go(func() {
			at := time.Now()
			err := k.claim(claiming, name, files, lane, me)
			if err == nil {
				if err = sign(claiming, files, Path(lane), me); err != nil {
					err = errors.Join(err, files.RemoveAll(context.WithoutCancel(ctx), Path(lane)))
				}
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if err != nil {
				bad[name] = err
				return
			}
			h.hosts[name], h.fresh[name] = files, at
		})
	}
	wg.Wait()
	if len(h.hosts) == 0 {
		return nil, bad
	}
	h.begin(ctx)
	return h, bad
}

// begin starts the renewal, which goes on until Free.
func (h *Held) begin(ctx context.Context) {
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go h.renew(renewing)
}

func (h *Held) claim(ctx context.Context, names []string) error {
	var wg abreast.Group
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() {
			at := time.Now()
			if errs[i] = h.keeper.claim(ctx, name, h.hosts[name], h.lane, h.me); errs[i] == nil {
				h.mu.Lock()
				h.fresh[name] = at
				h.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sight notes the beats on the hosts whose turn has not come, when another has
// the first one: the dead locks of one death are waited for all at once.
func (h *Held) sight(ctx context.Context, names []string, err error) {
	if e, ok := errors.AsType[*HeldError](err); !ok || e.Foreign {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, errors.New("the host did not answer"))
	defer cancel()
	var wg abreast.Group
	for _, name := range names {
		wg.Go(func() {
			for _, file := range []string{recordFile, detailsFile} {
				// An empty lock says nothing: who makes one writes into it next.
				if text, err := h.hosts[name].Read(ctx, path.Join(Path(h.lane), file)); err == nil && len(text) > 0 {
					h.keeper.stood(name+"/"+h.lane.String(), string(text))
					return
				}
			}
		})
	}
	wg.Wait()
}

// sign writes into all locks whose they are.
func (h *Held) sign(ctx context.Context, meanwhile func(context.Context)) error {
	var wg abreast.Group
	if meanwhile != nil {
		wg.Go(func() { meanwhile(ctx) })
	}
	var mu sync.Mutex
	var errs []error
	for name, f := range h.hosts {
		wg.Go(func() {
			if err := sign(ctx, f, Path(h.lane), h.me); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("take lock of %s: %w", name, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// renew moves the beats until stop.
func (h *Held) renew(ctx context.Context) {
	defer close(h.done)
	tick := time.NewTicker(Renewal)
	defer tick.Stop()
	for beat := int64(1); ; beat++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var wg abreast.Group
		for name := range h.hosts {
			wg.Go(func() { h.beat(ctx, name, beat) })
		}
		wg.Wait()
	}
}

func (h *Held) beat(ctx context.Context, name string, beat int64) {
	defer func() {
		if p := recover(); p != nil { // a beat that was missed, and no more
			h.keeper.log.Error("renewal of a lock panicked", "service", h.lane.String(), "host", name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, errors.New("the host did not answer the lock's renewal"))
	defer cancel()
	at := time.Now()
	err := h.still(ctx, name)
	if err == nil {
		err = renew(ctx, h.hosts[name], Path(h.lane), h.me, beat)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.fresh[name] = at
	case errors.Is(err, ErrLost):
		h.lost[name] = err
	}
}

// still reads the lock back: after a long pause it may be another's.
func (h *Held) still(ctx context.Context, name string) error {
	text, err := h.hosts[name].Read(ctx, path.Join(Path(h.lane), recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: that of %s on %s is gone", ErrLost, h.lane, name)
	}
	if err != nil {
		return fmt.Errorf("read lock: %w", err)
	}
	var r record
	if json.Unmarshal(text, &r) != nil || r.ID != h.me.ID || r.Release != h.me.Release {
		return fmt.Errorf("%w: %s on %s is held by %s now", ErrLost, h.lane, name, r.ID)
	}
	return nil
}

// Check tells whether effects may begin on a host: its beat moved within
// Valid. Another host that cannot be renewed does not count, so that what is
// reachable can go back.
func (h *Held) Check(_ context.Context, host string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.lost[host]; err != nil {
		return err
	}
	if since := time.Since(h.fresh[host]); since > Valid-callTime {
		return fmt.Errorf("%w: not renewed on %s in time", ErrLost, host)
	}
	return nil
}

// Still looks whether the lock is ours to this moment, on a host or, with "", on
// all: after a pause of this process it may be another's, and what was seen
// since may be another's doing. It asks only hosts whose beat did not move in
// time. The error is ErrLost where the lock is somebody else's or gone.
func (h *Held) Still(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, errors.New("the host did not answer"))
	defer cancel()
	var errs []error
	for name := range h.hosts {
		if host != "" && host != name || h.Check(ctx, name) == nil {
			continue
		}
		err := h.still(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s on %s is held by nobody now", ErrLost, h.lane, name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Free gives the lock back on every host that still has it as ours. It waits
// for the renewal to end.
func (h *Held) Free(ctx context.Context) error {
	h.stop()
	<-h.done
	return h.remove(ctx)
}

func (h *Held) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, errors.New("the host did not answer"))
	defer cancel()
	h.mu.Lock()
	lost, mine := maps.Clone(h.lost), maps.Clone(h.fresh)
	h.mu.Unlock()
	var wg abreast.Group
	var mu sync.Mutex
	var errs []error
	for name, at := range mine {
		wg.Go(func() {
			err := lost[name]
			if err == nil && time.Since(at) > Valid-callTime { // it may have been taken since
				err = h.still(ctx, name)
			}
			if err == nil {
				err = h.unmake(ctx, h.hosts[name])
			}
			if err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("free lock on %s: %w", name, err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// unmake removes one lock. It is moved away first, so that a death in between
// leaves no lock that nobody knows of; Sweep removes what was moved. Of its
// content both files go at once, which spares listing the folder.
func (h *Held) unmake(ctx context.Context, f Files) error {
	from, to := Path(h.lane), grave(h.lane, h.me)
	err := f.Rename(ctx, from, to)
	if errors.Is(err, fs.ErrExist) { // of a death in here
		if err = f.RemoveAll(ctx, to); err == nil {
			err = f.Rename(ctx, from, to)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var wg abreast.Group
	for _, name := range []string{recordFile, detailsFile} {
		wg.Go(func() { _ = f.RemoveAll(ctx, path.Join(to, name)) }) // the folder's removal tells
	}
	wg.Wait()
	return f.RemoveAll(ctx, to)
}
