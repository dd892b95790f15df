package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// Status is how everything stands at one moment.
type Status struct {
	Summary      string          `json:"summary"` // the first line: "12 services, all on their commit; last look 4 s ago"
	At           time.Time       `json:"at"`
	Repositories []Repository    `json:"repositories"`
	Services     []Service       `json:"services"`
	Alerts       []release.Event `json:"alerts"` // open ones
	Refused      []Refused       `json:"webhooks_refused,omitempty"`
	// Cordons are of the hosts that get no new release.
	Cordons []release.Cordon `json:"cordons"`
}

// Repository is how a watched repository stands.
type Repository struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`         // "ok", "unreachable: …", "not looked at yet"
	Tip    string    `json:"tip,omitempty"` // SHA
	Looked time.Time `json:"looked,omitzero"`
	OKFrom time.Time `json:"ok_from,omitzero"` // last look that worked
}

// Service is how a lane stands.
type Service struct {
	Lane  release.Lane `json:"lane"`
	Repo  string       `json:"repo"`
	State State        `json:"state"`
	// Reason is one sentence about State, "" where the state says all.
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"` // the one thing to do
	Tip    string `json:"tip,omitempty"`  // SHA that Git says
	// Commit is the SHA that LastSuccess makes the servers run: after a person's
	// rollback that of the release gone back to, and the newest where nothing
	// had to change.
	Commit string `json:"commit,omitempty"`
	// Apart are the hosts that do not run LastSuccess as they should, with the
	// reason: skipped, unwell, unreachable.
	Apart []release.HostOutcome `json:"apart,omitempty"`
	// Newer is what is there and does not run, a sentence each with what brings
	// it: a tag that moved, secrets that changed.
	Newer []string `json:"newer,omitempty"`

	Latest      *release.Release `json:"latest,omitempty"`       // newest attempt
	LastSuccess *release.Release `json:"last_success,omitempty"` // what runs, unless a rollout is under way
}

// State is how a service stands, in one word or two.
type State string

// The states, the best first.
const (
	OnCommit  State = "on its commit"
	Behind    State = "behind"         // Git has a newer commit that nobody tried yet
	Rolling   State = "rolling out"    // see Latest.Status
	Held      State = "held"           // by a person
	Waiting   State = "waiting"        // Reason says for what; quarantine, too
	Failed    State = "failed"         // the newest attempt did; the old version serves
	NeedHuman State = "needs a person" // hosts may differ
)

func states() []State {
	return []State{OnCommit, Behind, Rolling, Held, Waiting, Failed, NeedHuman}
}

// recent is how many of a repository's newest releases are looked through for
// its services.
const recent = 100

// look reads the status from the store.
func (s *Server) look(ctx context.Context, now time.Time) (Status, error) {
	looks, err := s.o.Memory.Looks(ctx)
	if err != nil {
		return Status{}, err
	}
	holds, err := s.o.Memory.Holds(ctx)
	if err != nil {
		return Status{}, err
	}
	alerts, err := s.o.Memory.Alerts(ctx)
	if err != nil {
		return Status{}, err
	}
	cordons, err := s.cordons(ctx)
	if err != nil {
		return Status{}, err
	}
	alerts, newer := apartFromNews(alerts)
	st := Status{At: now, Cordons: cordons, Repositories: []Repository{}, Services: []Service{}, Alerts: notNil(alerts)}
	for _, name := range slices.Sorted(slices.Values(s.o.Repos())) {
		repo := repository(name, looks)
		st.Repositories = append(st.Repositories, repo)
		services, err := s.services(ctx, repo, holds)
		if err != nil {
			return Status{}, err
		}
		for _, svc := range services {
			lifted(svc.Apart, cordons)
		}
		for i, svc := range services {
			services[i].Newer = newer[svc.Lane]
		}
		st.Services = append(st.Services, services...)
	}
	slices.SortStableFunc(st.Services, func(a, b Service) int { return cmp.Compare(a.Lane.String(), b.Lane.String()) })
	if s.o.Refused != nil {
		st.Refused = s.o.Refused()
	}
	st.Summary = summary(st)
	return st, nil
}

func repository(name string, looks []release.Look) Repository {
	i := slices.IndexFunc(looks, func(l release.Look) bool { return l.Repo == name })
	if i < 0 {
		return Repository{Name: name, State: "not looked at yet"}
	}
	l := looks[i]
	return Repository{Name: name, State: l.State, Tip: l.Tip, Looked: l.At, OKFrom: l.OKFrom}
}

func (s *Server) services(ctx context.Context, repo Repository, holds []release.Hold) ([]Service, error) {
	releases, err := s.o.Releases.Releases(ctx, store.Filter{Repo: repo.Name, Limit: recent})
	if err != nil {
		return nil, err
	}
	var services []Service
	seen := make(map[release.Lane]bool)
	for _, latest := range releases {
		if seen[latest.Lane] || latest.Status == release.Superseded {
			continue
		}
		seen[latest.Lane] = true
		success, found, err := s.o.Memory.LastSucceeded(ctx, latest.Lane)
		if err != nil {
			return nil, err
		}
		svc := Service{Lane: latest.Lane, Repo: repo.Name, Tip: repo.Tip, Latest: &latest}
		if found {
			svc.LastSuccess = &success
			svc.Apart = apart(success)
		}
		var hold *release.Hold
		if i := slices.IndexFunc(holds, func(h release.Hold) bool { return h.Lane == latest.Lane }); i >= 0 {
			hold = &holds[i]
		}
		if found {
			svc.Commit = runs(success, latest, hold, releases)
		}
		svc.stand(hold)
		services = append(services, svc)
	}
	return services, nil
}

// apartFromNews takes the alerts out that tell of no trouble.
func apartFromNews(all []release.Event) (alerts []release.Event, newer map[release.Lane][]string) {
	newer = map[release.Lane][]string{}
	for _, ev := range all {
		if strings.HasPrefix(ev.Key, release.Newer) {
			newer[ev.Lane] = append(newer[ev.Lane], ev.Message)
			continue
		}
		alerts = append(alerts, ev)
	}
	return alerts, newer
}

// apart are the hosts of a release that do not run it as they should.
func apart(r release.Release) []release.HostOutcome {
	return slices.DeleteFunc(slices.Clone(r.Hosts), func(h release.HostOutcome) bool { return h.State == "new" })
}

// runs is the commit that the servers run. A release that a person asked for
// has the commit that Git was at, not the one that it went back to: that is of
// the newest release, among those given newest first, which Git asked for and
// which is the same.
func runs(success, latest release.Release, hold *release.Hold, releases []release.Release) string {
	if latest.Status == release.Unchanged {
		return latest.Revision.SHA
	}
	if hold != nil && success.Cause.Kind == release.CauseManual && success.Identity != "" {
		for _, r := range releases {
			if r.Lane == success.Lane && r.Identity == success.Identity && r.Cause.Kind != release.CauseManual &&
				(r.Status == release.Succeeded || r.Status == release.Unchanged) {
				return r.Revision.SHA
			}
		}
	}
	return success.Means().SHA
}

// lifted corrects what was stored of hosts that were cordoned then and are not
// now.
func lifted(apart []release.HostOutcome, cordons []release.Cordon) {
	for i, h := range apart {
		still := slices.ContainsFunc(cordons, func(c release.Cordon) bool { return c.Host == h.Host })
		if strings.HasPrefix(h.Detail, release.Cordoned+" ") && !still {
			apart[i].Detail = "its cordon was lifted, and it is not caught up yet"
		}
	}
}

// stand decides the state from the newest attempt, a hold and what Git says.
func (s *Service) stand(hold *release.Hold) {
	latest := s.Latest
	if f := latest.Failure; f != nil {
		s.Next = f.Next
	}
	switch latest.Status {
	case release.Queued, release.Planning, release.Preparing, release.Switching, release.Watching, release.RollingBack:
		s.State, s.Reason = Rolling, strings.ReplaceAll(string(latest.Status), "_", " ")+" "+latest.Revision.Short()
	case release.NeedsHuman:
		s.State, s.Reason = NeedHuman, reason(latest)
	default:
		s.settled(hold)
	}
}

// settled decides where nothing is under way.
func (s *Service) settled(hold *release.Hold) {
	latest := s.Latest
	switch {
	case hold != nil && ordered(latest, hold):
		s.State, s.Reason = Waiting, reason(latest)+"; not done yet: what "+hold.By+" asked for"
		if hold.Why != "" {
			s.Reason += " (" + hold.Why + ")"
		}
	case hold != nil:
		s.State, s.Reason, s.Next = Held, hold.String(), "`fairlead resume` follows Git again"
		if hold.Why != "" {
			s.Reason += " (" + hold.Why + ")"
		}
		if s.only() != "" {
			s.Reason += ", only " + s.only()
		}
		if s.Tip != "" {
			s.Reason += "; Git says " + short(s.Tip)
		}
	case latest.Status == release.Waiting:
		s.State, s.Reason = Waiting, reason(latest)
	case latest.Status == release.Failed, latest.Status == release.RolledBack:
		s.State, s.Reason = Failed, strings.ReplaceAll(string(latest.Status), "_", " ")+" "+latest.Revision.Short()
		if r := reason(latest); r != "" {
			s.Reason += ": " + r
		}
	case s.Tip != "" && latest.Revision.SHA != s.Tip:
		s.State, s.Reason = Behind, "Git says "+short(s.Tip)
	case s.only() != "":
		s.State, s.Reason, s.Next = Waiting, "only "+s.only()+", as asked; the rest follows with the next commit", "`fairlead deploy` brings the rest now"
	default:
		s.State = OnCommit
	}
}

// only says on what the last release that succeeded was put alone, "" for all.
func (s *Service) only() string {
	if s.LastSuccess == nil {
		return ""
	}
	return s.LastSuccess.Only
}

// ordered tells whether the newest release is the rollback or the version that
// the hold came with, and something in the world keeps it from being done.
func ordered(latest *release.Release, hold *release.Hold) bool {
	return latest.Status == release.Waiting && latest.Failure != nil && latest.Cause.Kind == release.CauseManual &&
		!strings.HasPrefix(latest.Reason, hold.String()) // then the hold is what it waits for
}

func reason(r *release.Release) string {
	if r.Reason == "" && r.Failure != nil {
		return r.Failure.Error()
	}
	return r.Reason
}

func short(sha string) string { return sha[:min(7, len(sha))] }

// summary is the first line of a status.
func summary(st Status) string {
	counts := make(map[State]int)
	for _, s := range st.Services {
		counts[s.State]++
	}
	var b strings.Builder
	switch n := len(st.Services); {
	case n == 0:
		b.WriteString("no services yet")
	case n == 1 && counts[OnCommit] == 1:
		b.WriteString("1 service, on its commit")
	case n == counts[OnCommit]:
		fmt.Fprintf(&b, "%d services, all on their commit", n)
	default:
		fmt.Fprintf(&b, "%s: %s", release.Count(n, "service"), tally(counts))
	}
	unwell := 0
	var last time.Time
	for _, r := range st.Repositories {
		if last.Before(r.Looked) {
			last = r.Looked
		}
		if r.State != "ok" && !r.Looked.IsZero() {
			unwell++
		}
	}
	if unwell > 0 {
		fmt.Fprintf(&b, "; %s cannot be followed", release.Count(unwell, "repository"))
	}
	if len(st.Alerts) > 0 {
		fmt.Fprintf(&b, "; %s", release.Count(len(st.Alerts), "alert"))
	}
	if last.IsZero() {
		b.WriteString("; not looked yet")
	} else {
		fmt.Fprintf(&b, "; last look %s ago", age(st.At.Sub(last)))
	}
	return b.String()
}

func tally(counts map[State]int) string {
	var parts []string
	for _, state := range states() {
		n := counts[state]
		if n == 0 {
			continue
		}
		text := string(state)
		if n > 1 {
			text = strings.NewReplacer("its", "their", "needs", "need").Replace(text)
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, text))
	}
	return strings.Join(parts, ", ")
}

// age is a duration as people say it, in one unit.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
