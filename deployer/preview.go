package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// Preview plans a request without doing anything: what Submit would do now.
func (d *Deployer) Preview(ctx context.Context, req release.Request, files fs.FS) (release.Plan, error) {
	return d.preview(ctx, submission{req, files}, "")
}

// preview plans for the tip or, where its sha is given, for what goes before it.
func (d *Deployer) preview(ctx context.Context, s submission, tip string) (release.Plan, error) {
	req := s.req
	l := &lane{d: d, at: place{Repo: req.Revision.Repo, Destination: req.Destination}}
	a := &attempt{d: d, lane: l, s: s, tip: tip, log: d.o.Log, dry: true}
	if err := a.read(ctx); err != nil {
		if first, ok := errors.AsType[*earlierError](err); ok {
			return d.preview(ctx, first.submission, req.Revision.SHA)
		}
		return release.Plan{}, err
	}
	waits := a.wishes(ctx)
	if err := a.desire(ctx); err != nil {
		return release.Plan{}, err
	}
	observed, err := a.observe(ctx)
	if err != nil {
		return release.Plan{}, err
	}
	p, err := a.first(observed)
	if err != nil {
		return release.Plan{}, err
	}
	if waits == nil {
		waits = a.gate(ctx, p, observed)
	}
	shown := a.shown(p)
	switch {
	case waits == nil || errors.Is(waits, errUnchanged):
	case errors.As(waits, new(*waitError)):
		shown.Waits = waits.Error()
	default:
		return shown, waits
	}
	shown.Waits = cmp.Or(shown.Waits, a.rest)
	return shown, nil
}

// PreviewLast previews what a repository had last.
func (d *Deployer) PreviewLast(ctx context.Context, req release.Request) (release.Plan, error) {
	last, err := d.last(req)
	if err != nil {
		return release.Plan{}, err
	}
	req.Revision = last.req.Revision
	return d.Preview(ctx, req, last.files)
}

// Hosts are those that the repositories' newest deploy.yml files name. A file
// that cannot be read names none.
func (d *Deployer) Hosts(ctx context.Context) (names []string) {
	d.mu.Lock()
	lanes := slices.Collect(maps.Values(d.lanes))
	d.mu.Unlock()
	for _, l := range lanes {
		settings, ok := d.o.Settings(l.at.Repo)
		if last, seen := l.queue.Last(); ok && seen {
			if deploy, _, err := spec.Load(last.Files, settings.Reading(ctx, last.Request)); err == nil {
				names = append(names, deploy.Hosts()...)
			}
		}
	}
	return names
}

// last returns the newest submission of the request's repository.
func (d *Deployer) last(req release.Request) (submission, error) {
	d.mu.Lock()
	l, ok := d.lanes[place{Repo: req.Revision.Repo, Destination: req.Destination}]
	d.mu.Unlock()
	if ok {
		if last, ok := l.queue.Last(); ok {
			return submission{last.Request, last.Files}, nil
		}
	}
	return submission{}, fmt.Errorf("%s: %w", req.Revision.Repo, ErrUnknown)
}

// shown turns a plan into what may leave the deployer.
func (a *attempt) shown(p plan.Plan) release.Plan {
	s := p.Shown(a.desired)
	s.Lane, s.Revision, s.Version, s.Image, s.Digest = a.r.Lane, a.r.Revision, a.r.Version, a.r.Image, a.r.Digest
	for _, name := range slices.Sorted(maps.Keys(a.hosts.Skipped)) {
		s.Skipped = append(s.Skipped, name+": "+a.hosts.Skipped[name])
	}
	for _, what := range slices.Sorted(maps.Keys(a.newer)) {
		s.Newer = append(s.Newer, a.sayNewer(what))
	}
	if !p.Empty() && !a.mends && !a.s.req.SkipHooks {
		s.Hooks = hook.Shown(a.tasks, a.desired, a.s.req.Rollback)
	}
	for _, w := range a.warnings {
		s.Warnings = append(s.Warnings, w.String())
	}
	s.Warnings = append(s.Warnings, a.crew.Notes...)
	return s
}
