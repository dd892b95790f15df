package chaos_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// trouble is something that happens to a host, and its end.
type trouble struct {
	do, undo func(*fleet.Host, context.Context) error
}

func cut() trouble {
	return trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.Cut(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.Heal(ctx) }}
}

func (s *scene) suffers(what trouble) (mend func()) {
	s.Helper()
	h := s.last()
	return s.breaks(func(ctx context.Context) error { return what.do(h, ctx) }, func(ctx context.Context) error { return what.undo(h, ctx) })
}

// during deploys v2, lets a host suffer at a stage of it until that was told,
// and wants v2 everywhere after the mending.
func during(at release.Status, what trouble) func(*scene) {
	return func(s *scene) {
		s.live()
		s.image("v2", slow())
		file := s.file("v2")
		if at == release.Watching {
			file["x-fairlead"] = "{ window: 20s }"
		}
		sha := s.Push(file)
		s.Told(sha, at)
		since := time.Now()
		mend := s.suffers(what)
		s.noticed(since, s.last().Addr)
		if got, err := s.Answer(s.Hosts[0]); err != nil || got != "v1" && got != "v2" {
			s.Errorf("the host that is whole answers %q, %v", got, err)
		}
		mend()
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
		s.EndedOnce(sha)
	}
}

// before lets a host suffer, deploys v2, and wants it to wait until the mending.
func before(what trouble) func(*scene) {
	return func(s *scene) {
		s.live()
		mend := s.suffers(what)
		old := s.Running(s.Hosts[0])
		sha := s.push("v2", nil)
		s.Waits(sha, s.last().Addr)
		if now := s.Running(s.Hosts[0]); len(now) != 1 || now[0] != old[0] {
			s.Errorf("on the host that is whole run %v", now)
		}
		mend()
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
	}
}

func hostRows() []row {
	const finishes = "it is told and waited for, nothing stays mixed, and the rollout ends on the new version"
	power := trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.Kill(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.Boot(ctx) }}
	unplug := trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.Unplug(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.Plug(ctx) }}
	freeze := trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.Pause(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.Resume(ctx) }}
	full := trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.FillDisk(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.FreeDisk(ctx) }}
	return []row{
		{id: "F6", fault: "a host's network is cut before a rollout", then: "all stay on the old version, and go on when it is back", quick: true, breaks: true, do: before(cut())},
		{id: "F8", fault: "a host's network is cut while it prepares", then: finishes, breaks: true, do: during(release.Preparing, cut())},
		{id: "F7", fault: "a host's network is cut while it switches", then: finishes, breaks: true, do: during(release.Switching, cut())},
		{id: "F8", fault: "a host's network is cut while it is watched", then: finishes, breaks: true, do: during(release.Watching, cut())},
		{id: "F6", fault: "a host's cable is pulled in mid-rollout", then: finishes, breaks: true, do: during(release.Preparing, unplug)},
		{id: "F9", fault: "a host loses every third packet, one way", then: "slower, not wrong", breaks: true, do: lossy},
		{id: "F11", fault: "a host freezes in mid-rollout, connections open", then: finishes, breaks: true, do: during(release.Preparing, freeze)},
		{id: "F16", fault: "a host's disk is full before a rollout", then: "all stay on the old version, and go on when there is room", quick: true, breaks: true, do: before(full)},
		{id: "F16", fault: "a host's disk gets full in mid-rollout", then: "nothing stays mixed, and Git is followed again when there is room", breaks: true, do: diskFullMidway},
		{id: "F46", fault: "a host loses its power in mid-rollout", then: finishes, breaks: true, do: during(release.Preparing, power)},
		{id: "F46", fault: "a host loses its power while it is watched", then: finishes, breaks: true, do: during(release.Watching, power)},
		{id: "F14", fault: "a host reboots between rollouts", then: "its containers come back by themselves; none is replaced", breaks: true, do: reboots},
		{id: "F59", fault: "a host is installed anew, with another key", then: "nothing is sent to it until a person trusts the key", breaks: true, do: anotherKey},
		{id: "F59", fault: "a host joins whose key nobody has trusted", then: "the others roll and do not wait for it; once it is trusted it joins at the version that runs", do: joinsUntrusted},
	}
}

func lossy(s *scene) {
	s.live()
	mend := s.suffers(trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.Lossy(ctx, 0.3) }, undo: cut().undo})
	sha := s.push("v2", nil)
	s.Ends(sha, release.Succeeded)
	mend()
	s.Serves("v2")
	s.EndedOnce(sha)
}

func diskFullMidway(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	h := s.last()
	mend := s.breaks(h.FillDisk, h.FreeDisk)
	ev := s.Told(sha, release.Waiting, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman)
	mend()
	if ev.Release.Status == release.Waiting {
		ev = s.Told(sha, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman)
	}
	// An engine whose disk is full tells one thing in its list and another in
	// its inspect, so the release may look broken: all or nothing holds still.
	switch ev.Release.Status {
	case release.Succeeded:
		s.Serves("v2")
	case release.RolledBack:
		s.Serves("v1")
	default:
		s.Fatalf("it is %s: %s", ev.Release.Status, ev.Message)
	}
}

func reboots(s *scene) {
	s.live()
	ids := map[string]string{}
	for _, h := range s.Hosts {
		ids[h.Name] = s.Containers(h)[0].ID
	}
	s.Do(s.last().Reboot(s.Context()))
	s.untilServes("v1")
	for _, h := range s.Hosts {
		if list := s.Containers(h); len(list) != 1 || list[0].ID != ids[h.Name] {
			s.Errorf("%s has other containers than before: %+v", h.Name, list)
		}
	}
}

func anotherKey(s *scene) {
	s.live()
	h := s.last()
	const key = "/etc/ssh/ssh_host_ed25519_key"
	s.Do(s.Daemon.Stop())
	swap := func(ctx context.Context, line string) error {
		if _, err := h.Exec(ctx, "sh", "-c", line); err != nil {
			return err
		}
		if err := h.StopService(ctx, "sshd"); err != nil {
			return err
		}
		return h.StartService(ctx, "sshd")
	}
	mend := s.breaks(
		func(ctx context.Context) error {
			return swap(ctx, "mv "+key+" "+key+".old && ssh-keygen -q -t ed25519 -N '' -f "+key)
		},
		func(ctx context.Context) error { return swap(ctx, "mv -f "+key+".old "+key) })
	connections, _, err := h.SSHCount(s.Context())
	s.Do(err)
	s.Start()
	sha := s.push("v2", nil)
	ev := s.Waits(sha, h.Addr, "fairlead host trust")
	if now, _, err := h.SSHCount(s.Context()); err != nil || now != connections {
		s.Errorf("it logged in (%d connections, were %d; %v)", now, connections, err)
	}
	if !strings.Contains(ev.Message, "CHANGED") {
		s.Errorf("it does not say that the key has changed: %s", ev.Message)
	}
	mend()
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
}

func joinsUntrusted(s *scene) {
	both, joining := s.Hosts, s.last()
	all, err := os.ReadFile(shared.Fleet.KnownHosts)
	s.Do(err)
	var known strings.Builder
	for line := range strings.Lines(string(all)) {
		if !strings.Contains(strings.Fields(line)[0], joining.Addr) {
			known.WriteString(line)
		}
	}
	s.Write("known_hosts", known.String())
	s.Operator["ssh"] = "{ key: " + shared.Fleet.Key + ", known_hosts: " + s.Path("known_hosts") + ", user: root }"
	s.Hosts = both[:1]
	s.live()
	s.Hosts = both
	for _, version := range []string{"v2", "v3"} {
		ev := s.Ends(s.push(version, nil), release.Succeeded)
		i := slices.IndexFunc(ev.Release.Hosts, func(o release.HostOutcome) bool { return o.Host == joining.Addr })
		if i < 0 || ev.Release.Hosts[i].State != "skipped" {
			s.Errorf("of its hosts it tells %+v", ev.Release.Hosts)
		}
		if got, err := s.Answer(both[0]); err != nil || got != version {
			s.Errorf("the host that is known answers %q (%v), want %s", got, err, version)
		}
		if list := s.Containers(joining); len(list) > 0 {
			s.Errorf("on the other one there are %+v", list)
		}
	}
	s.Write("known_hosts", string(all))
	s.untilServes("v3")
	if list := s.Containers(joining); len(list) != 1 {
		s.Errorf("it did not join at v3: %+v", list)
	}
}
