package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/texts"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// attempt is one try to make a lane match one submission. Its fields are
// filled as it goes along.
type attempt struct {
	d    *Deployer
	lane *lane
	s    submission
	log  *slog.Logger

	owned    bool   // the service is this repository's
	dry      bool   // only a preview: nothing is recorded or decided
	rest     string // why a preview's changes would not be made by themselves
	quiet    bool   // what is recorded is no message for anybody
	tip      string // the commit at Git's tip, where this one goes first; empty else
	found    image.Found
	ahead    *image.Found // found before it was clear what the attempt is about
	settings Settings
	deploy   *spec.Deploy
	warnings []spec.Warning
	secrets  map[string]secret.Value
	tasks    []hook.Task // the hooks of deploy.yml
	desired  plan.Desired
	crew     accessory.Crew
	hosts    reach.Hosts
	recent   []release.Release // newest first
	good     []release.Release // those that succeeded, newest first
	followed []release.Release // of good, without what a person chose since

	r        release.Release
	recorded bool             // r is in the store
	target   *release.Release // of a rollback
	scale    map[string]int   // a person's, of roles
	origin   release.ID       // the release that target itself went back to
	traces   []string         // of target, for plan.Retained
	source   fs.FS            // of the target's deploy.yml; nil: that of the submission
	resumed  bool             // r was under way when the daemon ended
	// begun: r has begun effects at some time, whatever came in its way since.
	begun bool
	base  plan.Baseline // what to go back to; nil before it is known

	brings bool              // changed secrets go to what worked before
	newer  map[string]string // what is there and not brought now, by history's Details

	mends bool              // what is wanted has worked before: hosts are mended, each by itself
	each  bool              // the plan at hand is done host by host
	drift string            // what is missing where and is not mended now; empty for nothing
	waits map[string]string // the hosts of drift, and why
}

// waitError is a reason to wait that is not a fault: a hold, a quarantine, the
// first contact, observe mode.
type waitError struct {
	reason string
	// stays: the last good release is what the servers should run meanwhile.
	stays bool
}

func (e *waitError) Error() string { return e.reason }

// badFileError is a deploy.yml, or a wish, that cannot be carried out.
type badFileError struct {
	err  error
	step string // empty: reading deploy.yml
	next string // the one thing to do
	logs []string
}

func (e *badFileError) Error() string { return e.err.Error() }
func (e *badFileError) Unwrap() error { return e.err }

// errUnchanged ends an attempt that found nothing to do.
var errUnchanged = errors.New("nothing to do")

func (a *attempt) run(ctx context.Context) error {
	if err := a.read(ctx); err != nil {
		return err
	}
	if a.backs() { // a crash came in between: nothing goes before
		return a.goBack(ctx)
	}
	if err := a.wishes(ctx); err != nil {
		if terr := a.tidy(ctx); terr != nil {
			a.log.Warn("old locks not looked for", "service", a.r.Lane.String(), "error", terr)
		}
		return err
	}
	if err := a.desire(ctx); err != nil {
		return err
	}
	observed, err := a.arrive(ctx)
	if err != nil {
		return err
	}
	p, err := a.first(observed)
	if err != nil {
		return err
	}
	if err := errors.Join(a.bell().Loops(ctx, p, observed), a.tellSkipped(ctx), a.tellNewer(ctx)); err != nil {
		return err
	}
	if err := a.gate(ctx, p, observed); err != nil {
		if p.Empty() {
			return a.tidied(ctx, observed, err)
		}
		return err
	}
	return a.locked(ctx, func(ctx context.Context, w *work) error { return w.forward(ctx) })
}

// read loads deploy.yml and finds the release that this attempt goes on with,
// or begins a new one.
func (a *attempt) read(ctx context.Context) error {
	settings, ok := a.d.o.Settings(a.lane.at.Repo)
	if !ok {
		return fmt.Errorf("repository %s is not configured any more", a.lane.at.Repo)
	}
	a.settings = settings
	req := a.s.req
	name := release.Lane{Service: a.lane.at.Repo, Destination: req.Destination}
	deploy, warnings, err := spec.Load(a.s.files, settings.Reading(ctx, req))
	if err == nil {
		service := release.Lane{Service: deploy.Service, Destination: req.Destination}
		if err = a.d.claims.Own(service, a.lane.at); err == nil {
			a.deploy, name, a.owned = deploy, service, true
			err = policy.Check(deploy, settings.Policy)
		}
	} else if service, ok := a.d.claims.Of(a.lane.at); ok {
		name, a.owned = service, true // as its file said when it could be read
	}
	a.warnings = warnings
	if rerr := a.resume(ctx, name); rerr != nil {
		return rerr
	}
	if err != nil {
		return &badFileError{err: err}
	}
	return nil
}

// resume takes up the lane's open release when it is of this revision; another
// that is still open is superseded.
func (a *attempt) resume(ctx context.Context, name release.Lane) (err error) {
	req, now := a.s.req, time.Now()
	if err := cmp.Or(a.history(ctx, name), a.turn(ctx, name)); err != nil {
		return err
	}
	a.r = release.Release{
		ID: cmp.Or(req.Release, release.NewID(now, req.Revision, a.d.draw())), Lane: name, Revision: req.Revision,
		Cause: req.Cause, Status: release.Queued, Queued: now, Asked: req.Wish(),
	}
	if a.dry {
		return nil
	}
	for _, r := range a.recent {
		switch {
		case r.Status.Terminal():
		case !a.recorded && !commanded(req) && a.goesOn(ctx, r):
			a.r, a.recorded, a.resumed = r, true, r.Status.UnderWay()
			k, err := record.Read(ctx, a.d.o.Memory.Effects, r.ID)
			if err != nil {
				return err
			}
			a.begun, a.brings = k.Baseline != nil, k.Brings
		default:
			r.Status, r.Ended = release.Superseded, now
			r.Reason = history.Superseded(r, req)
			ev := release.Event{Message: r.Reason}
			if r.Revision.SHA == a.tip {
				r.Reason = "its image is not there; " + (&earlierError{a.s}).Error()
				ev = release.Event{Kind: release.EventProgress, Message: r.Reason}
			}
			if _, err := a.d.o.Memory.Releases.Save(ctx, r, ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// history reads what became of the lane's last releases.
func (a *attempt) history(ctx context.Context, name release.Lane) (err error) {
	if a.recent, err = a.d.o.Memory.Releases.Recent(ctx, name, 20); err != nil {
		return err
	}
	if a.good, err = a.d.o.Memory.Releases.Succeeded(ctx, name, 20); err != nil {
		return err
	}
	a.followed, err = record.Followed(ctx, a.d.o.Memory.Effects, a.good)
	return err
}

// goesOn tells whether an attempt that nobody commanded goes on with an open
// release: with one of its own revision that is no mending of what ran before
// it, and with what a person asked for, which then is what this attempt is about.
func (a *attempt) goesOn(ctx context.Context, r release.Release) bool {
	if !commanded(release.Request{Cause: r.Cause}) {
		return r.Revision.SHA == a.s.req.Revision.SHA && r.Cause.Detail != history.DetailRepair
	}
	k, err := record.Read(ctx, a.d.o.Memory.Effects, r.ID)
	if err != nil || k.Request == nil {
		return false
	}
	if !k.Request.Chooses() && r.Revision.SHA != a.s.req.Revision.SHA {
		return false
	}
	a.s.req = *k.Request
	return true
}

// commanded tells whether a person asked for something of their own.
func commanded(r release.Request) bool { return r.Cause.Kind == release.CauseManual }

// wishes looks at what people decided: a hold stops what they did not ask for.
func (a *attempt) wishes(ctx context.Context) error {
	req := a.s.req
	if commanded(req) {
		if err := a.note(ctx); err != nil {
			return err
		}
	}
	if !a.dry && a.r.Status == release.Queued { // later it is done already
		if err := a.grant(ctx); err != nil {
			return err
		}
	}
	if commanded(req) || req.Chooses() || req.Resume || a.resumed { // what is half-done is finished
		return nil
	}
	h, err := a.d.o.Memory.Wishes.Held(ctx, a.r.Lane)
	if err != nil || h == nil {
		return err
	}
	return &waitError{stays: !h.LeavesServers(), reason: fmt.Sprintf("%s; Git says %s; `fairlead resume %s` goes on", h, req.Revision.Short(), a.r.Lane)}
}

// grant ends a hold and lifts a quarantine where that was asked.
func (a *attempt) grant(ctx context.Context) error {
	req, m := a.s.req, a.d.o.Memory
	if req.Resume {
		if err := errors.Join(m.Wishes.Unhold(ctx, a.r.Lane), m.Adoptions.Adopt(ctx, a.r.Lane, req.Cause.Actor)); err != nil {
			return err
		}
	}
	if req.Retry {
		return m.Quarantines.LiftQuarantine(ctx, a.r.Lane)
	}
	return nil
}

// note writes down what a person asked for, before anything is done about it:
// it is gone on with after a crash, and when the world was in the way.
func (a *attempt) note(ctx context.Context) error {
	if a.dry || a.recorded {
		return nil
	}
	if err := a.keep(ctx, record.Kept{}); err != nil {
		return err
	}
	return a.save(ctx, release.Queued, "asked by "+a.s.req.Cause.Actor)
}

// hold keeps the lane at what a person chose, once it is known to exist.
func (a *attempt) hold(ctx context.Context) error {
	req, w := a.s.req, a.d.o.Memory.Wishes
	if a.dry || !req.Chooses() {
		return nil
	}
	h, err := w.Held(ctx, a.r.Lane)
	if err != nil || h != nil && h.By == req.Cause.Actor && h.Why == req.Wish() {
		return err
	}
	return w.Hold(ctx, release.Hold{Lane: a.r.Lane, By: req.Cause.Actor, Since: time.Now(), Why: req.Wish()})
}

// desire resolves secrets and image, and builds what the hosts should run.
func (a *attempt) desire(ctx context.Context) error {
	if a.s.req.Rollback || a.s.req.Scale != nil {
		if err := a.rollback(ctx); err != nil {
			return err
		}
	}
	return a.want(ctx)
}

func (a *attempt) want(ctx context.Context) (err error) {
	if err := a.openSecrets(ctx); err != nil && !a.backs() { // nothing is made on the way back
		return err
	}
	if a.found, err = a.image(ctx); err != nil {
		return err
	}
	if a.found.Moved && a.known() && !commanded(a.s.req) {
		a.r.Cause.Kind, a.r.Cause.Detail = release.CauseReconcile, history.DetailTag
	}
	a.r.Version, a.r.Digest, a.r.Image = a.found.Version, a.found.Digest, a.deploy.Image.Name()
	in := plan.Inputs{Release: a.r.ID, Revision: a.r.Revision, Version: a.r.Version, Digest: a.r.Digest, Secrets: a.secrets}
	in.Scale = a.scale
	in.Good, in.Failed = history.Ends(a.recent, a.good)
	if a.tasks, err = hook.Tasks(a.deploy, cmp.Or(a.source, a.s.files)); err != nil {
		return &badFileError{err: err}
	}
	// Of hosts that are away not all is known, so an identity is without it.
	anywhere, err := plan.Want(a.deploy, in)
	if err != nil {
		return &badFileError{err: err}
	}
	if err := a.asBefore(ctx); err != nil {
		return err
	}
	a.r.Only = a.s.req.Only()
	a.r.Identity = anywhere.Only(a.s.req.Roles, a.s.req.Hosts).Identity()
	a.mends = a.mends || history.Drifted(a.r, a.good) && !a.s.req.Force && !a.brings
	if err := a.hold(ctx); err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	if in.Home, in.Environment, err = a.hosts.Homes(ctx); err != nil {
		return err
	}
	if a.desired, err = plan.Want(a.deploy, in); err != nil {
		return &badFileError{err: err}
	}
	a.desired = a.desired.Only(a.s.req.Roles, a.s.req.Hosts)
	a.desired.Force = a.s.req.Force
	return cmp.Or(a.wantBeside(in), a.leaveOut())
}

func (a *attempt) openSecrets(ctx context.Context) error {
	if a.ahead != nil && a.target == nil {
		return nil // they are open
	}
	names := a.deploy.SecretNames()
	a.secrets = map[string]secret.Value{}
	if len(names) == 0 {
		return nil
	}
	if a.backs() {
		for _, name := range names {
			a.secrets[name] = secret.Value{}
		}
	}
	source, err := a.settings.Secrets(ctx, a.s.files, a.s.req.Destination, a.deploy.SecretsPath)
	if err != nil {
		return fmt.Errorf("open secrets: %w", err)
	}
	if err := source.Missing(names); err != nil {
		return err
	}
	for _, name := range names {
		v, _, err := source.Lookup(name)
		if err != nil {
			return fmt.Errorf("look up secret %s: %w", name, err)
		}
		a.secrets[name] = v
	}
	return nil
}

// gate says whether a plan may be carried out now.
func (a *attempt) gate(ctx context.Context, p plan.Plan, o plan.Observed) error {
	if err := a.patient(); err != nil && !a.resumed {
		return err
	}
	adopted, err := a.d.o.Memory.Adoptions.Adopted(ctx, a.r.Lane)
	if err != nil {
		return err
	}
	if p.Empty() && a.begun && !a.dry {
		return nil // it is there, by this release's own work: it is watched to its end
	}
	if p.Empty() && !a.resumed {
		if !adopted && !a.dry {
			if err := a.d.o.Memory.Adoptions.Adopt(ctx, a.r.Lane, "the servers already ran what Git says"); err != nil {
				return err
			}
		}
		return errUnchanged
	}
	if a.resumed {
		return nil // it was let through before, and is half-done
	}
	a.r.Changes = p.Changes
	if p.Refused != "" {
		return &waitError{reason: p.Refused}
	}
	if a.settings.Mode == ModeObserve {
		return &waitError{reason: "observe mode: would " + p.Summary()}
	}
	if foreign, ok := o.Foreign(); ok && !adopted && a.settings.Mode == ModeAsk && !commanded(a.s.req) {
		return &waitError{reason: fmt.Sprintf("first contact with %s, which Fairlead did not start: would %s; `fairlead plan %s` shows it, `fairlead resume %s` goes on",
			foreign, p.Summary(), a.r.Lane, a.r.Lane)}
	}
	if !commanded(a.s.req) && a.mends {
		return a.heals(p)
	}
	if id, bad, err := a.d.o.Memory.Quarantines.Quarantined(ctx, a.r.Lane, a.r.Identity); err != nil {
		return err
	} else if bad && !a.s.req.Retry {
		return &waitError{stays: true, reason: history.Quarantined(a.r.Lane, id, a.recent)}
	}
	return nil
}

// save records the release with a status and what there is to say about it.
func (a *attempt) save(ctx context.Context, status release.Status, message string) error {
	stored, told := a.r, false
	defer func() {
		if !told { // also where it panicked: this attempt goes by what is in the store
			a.r.Status, a.r.Reason, a.r.Started, a.r.Ended = stored.Status, stored.Reason, stored.Started, stored.Ended
		}
	}()
	message += hook.Aside(a.r, status)
	a.r.Status, a.r.Reason = status, message
	if status != release.Queued && status != release.Waiting && a.r.Started.IsZero() {
		a.r.Started = time.Now()
	}
	if status.Terminal() {
		a.r.Ended = time.Now()
	}
	ev := release.Event{At: time.Now(), Kind: release.EventStatus, Message: message}
	if a.quiet && status == release.Waiting {
		ev.Kind = release.EventProgress
	}
	_, err := a.d.o.Memory.Releases.Save(ctx, a.r, ev)
	if err != nil {
		return fmt.Errorf("record release: %w", err)
	}
	a.recorded, told = true, true
	words := []any{"service", a.r.Lane.String(), "release", a.r.ID, "revision", a.r.Revision.Short(), "status", status, "reason", message}
	if f := a.r.Failure; f != nil && status == release.Failed {
		words = append(words, "failure", f.Message, "next", f.Next)
	}
	a.log.Info("release moved", words...)
	return nil
}

// files returns the deploy.yml, its destination's file, error pages and hooks as
// they were read, for a later rollback to this release.
func (a *attempt) files() map[string]string {
	return texts.Of(cmp.Or(a.source, a.s.files), slices.Concat(slices.Collect(maps.Keys(a.deploy.ErrorPages)), hook.Paths(a.deploy, cmp.Or(a.source, a.s.files)), []string{a.deploy.File, a.deploy.DestinationFile})...)
}
