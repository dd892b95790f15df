package fleettest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// engineTimeout is how long a hanging engine is waited for, as by package docker.
const engineTimeout = 30 * time.Second

// ErrDead is what every call of a process returns after its crash. Nothing
// reads it: the process is gone.
var ErrDead = errors.New("the process has died")

// errFault is what a call returns that the seed chose to fail.
var errFault = fmt.Errorf("%w: connection reset by peer", docker.ErrUnavailable)

// Process is one daemon's hands on the world.
type Process struct {
	w     *World
	m     *Memory
	owner string
	// kill ends the daemon's own context at a crash.
	kill context.CancelFunc
	dead bool // under w.mu
	// asleep is closed when the process, which is stopped now, goes on. Under w.mu.
	asleep chan struct{}
}

// Start begins a new process with a memory of this world's. kill is called when
// it crashes, to unwind its goroutines. owner is the installation's id.
func (w *World) Start(owner string, m *Memory, kill context.CancelFunc) *Process {
	return &Process{w: w, m: m, owner: owner, kill: kill}
}

// Another makes the memory of another installation.
func (w *World) Another() *Memory { return newMemory(w) }

// Kill makes the process die now.
func (p *Process) Kill() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.die()
}

func (p *Process) die() {
	p.dead = true
	p.kill()
}

// Pause stops the process where it stands, as SIGSTOP does: what it has sent to
// a host has its effect, no answer is read, and nothing more is sent. Its
// connections are gone when it wakes.
func (p *Process) Pause() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.sleeps()
}

// Wake lets a paused process go on.
func (p *Process) Wake() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.asleep != nil {
		close(p.asleep)
		p.asleep = nil
	}
}

// Paused tells whether the process is paused now.
func (p *Process) Paused() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.asleep != nil
}

func (p *Process) sleeps() {
	if p.asleep == nil {
		p.asleep = make(chan struct{})
	}
}

// awake waits until the process is not paused, and tells whether it was.
func (p *Process) awake() (slept bool) {
	p.w.mu.Lock()
	asleep := p.asleep
	p.w.mu.Unlock()
	if asleep == nil {
		return false
	}
	<-asleep
	return true
}

// reach takes the time that a call takes and fails where it does not get
// through. host is nil for the registry.
func (p *Process) reach(ctx context.Context, host *Host, name, call string) (Fate, error) {
	if p.awake() {
		return Before, fmt.Errorf("%s on %s: %w", call, name, errFault)
	}
	f, took := p.w.draw(name, call)
	return f, p.travel(ctx, host, f, took, name, call)
}

func (p *Process) travel(ctx context.Context, host *Host, f Fate, took time.Duration, name, call string) error {
	if err := schedule.Pause(ctx, took); err != nil {
		return err
	}
	p.w.mu.Lock()
	dead, down := p.dead, host != nil && host.down
	p.w.mu.Unlock()
	switch {
	case dead:
		return ErrDead
	case f == Panics:
		panic("the panic that the test asked for, in " + call + " on " + name)
	case down || f == Hangs:
		if err := schedule.Pause(ctx, engineTimeout); err != nil {
			return err
		}
		return fmt.Errorf("%s on %s: %w", call, name, &docker.TimeoutError{Call: call, Host: name, After: engineTimeout.String()})
	case f == Before:
		return fmt.Errorf("%s on %s: %w", call, name, errFault)
	}
	return nil
}

// read makes a call that changes nothing. do runs under the world's lock.
func (p *Process) read(ctx context.Context, host *Host, call string, do func() error) error {
	if p.awake() {
		return fmt.Errorf("%s on %s: %w", call, host.Name, errFault)
	}
	f, took := p.w.draw(host.Name, call)
	if f == Stale {
		return p.readStale(ctx, host, took, call, do)
	}
	if err := p.travel(ctx, host, f, took, host.Name, call); err != nil {
		return err
	}
	p.w.mu.Lock()
	err := ErrDead
	if !p.dead {
		err = do()
	}
	p.w.mu.Unlock()
	if err == nil && f == Lost {
		err = fmt.Errorf("%s on %s: %w", call, host.Name, errFault)
	}
	p.awake()
	return err
}

// readStale is a read whose answer was true when the host gave it, and comes
// late.
func (p *Process) readStale(ctx context.Context, host *Host, took time.Duration, call string, do func() error) error {
	var answer error
	p.w.mu.Lock()
	if !p.dead && !host.down {
		host.lags = true
		answer = do()
		host.lags = false
	}
	p.w.mu.Unlock()
	if err := p.travel(ctx, host, Stale, p.w.fates.Stale(took), host.Name, call); err != nil {
		return err
	}
	p.awake()
	return answer
}

// change makes a call that changes a host.
func (p *Process) change(ctx context.Context, host *Host, call string, do func() error) error {
	return p.changeOr(ctx, host, call, do, nil)
}

// changeOr is change with what may come of a call that breaks off in between;
// nil where all of it happens at once.
func (p *Process) changeOr(ctx context.Context, host *Host, call string, do, part func() error) error {
	f, err := p.reach(ctx, host, host.Name, call)
	if err != nil {
		return err
	}
	return p.land(ctx, host, f, call, do, part)
}

// land is what comes of a call that has reached its host.
func (p *Process) land(ctx context.Context, host *Host, f Fate, call string, do, part func() error) error {
	if f == Late {
		return p.late(ctx, host, call, do)
	}
	if f == Partial {
		if do = part; part == nil {
			return fmt.Errorf("%s on %s: %w", call, host.Name, errFault)
		}
	}
	err := p.sent(host, call, do)
	if err == nil && (f == Lost || f == Partial) {
		err = fmt.Errorf("%s on %s: %w", call, host.Name, errFault)
	}
	p.awake()
	return err
}

// sent has an effect on a host, and looks whether it broke a rule.
func (p *Process) sent(host *Host, call string, do func() error) error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	before := host.serving()
	err := p.effect(host.Name, call, func() error {
		p.authorized(host, call)
		return do()
	})
	host.check(call, before)
	return err
}

// effect counts, and dies or sleeps where it should. The world's lock is held.
func (p *Process) effect(place, call string, do func() error) error {
	if p.dead {
		return ErrDead
	}
	w := p.w
	n := len(w.effects) + 1
	here := w.crash.At == n && !w.crashed
	if here && w.crash.Before {
		w.crashed = true
		return p.crash()
	}
	w.effects = append(w.effects, Effect{N: n, At: time.Now(), Host: place, Call: call})
	err := do()
	if here {
		w.crashed = true
		if w.crash.Pause {
			p.sleeps()
			return err
		}
		return p.crash()
	}
	return err
}

// crash ends the process, or panics.
func (p *Process) crash() error {
	if p.w.crash.Panic {
		panic("the crash that the test asked for")
	}
	p.die()
	return ErrDead
}
