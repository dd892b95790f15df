package chaos_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func engineStopped() trouble {
	return trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.StopEngine(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.StartEngine(ctx) }}
}

func engineFrozen() trouble {
	return trouble{do: func(h *fleet.Host, ctx context.Context) error { return h.FreezeEngine(ctx) },
		undo: func(h *fleet.Host, ctx context.Context) error { return h.ThawEngine(ctx) }}
}

func sshd(verb func(*fleet.Host, context.Context, string) error) func(*fleet.Host, context.Context) error {
	return func(h *fleet.Host, ctx context.Context) error { return verb(h, ctx, "sshd") }
}

func engineRows() []row {
	return []row{
		{id: "F14", fault: "an engine is stopped before a rollout", then: "it is waited for", breaks: true, do: before(engineStopped())},
		{id: "F14", fault: "an engine is stopped in mid-rollout", then: "it is told and waited for; the rollout ends on the new version", quick: true, breaks: true, do: during(release.Preparing, engineStopped())},
		{id: "F14", fault: "an engine is stopped while the new version is watched", then: "its containers stop with it, which may look like the release's fault: all end on the new version, or all on the old", breaks: true, do: engineStoppedInWatch},
		{id: "F14", fault: "an engine restarts between rollouts", then: "its containers come back by themselves; none is replaced", breaks: true, do: engineRestarts},
		{id: "F15", fault: "an engine accepts and never answers", then: "it is given up and told; the rollout ends on the new version when it answers", breaks: true, do: during(release.Preparing, engineFrozen())},
		{id: "F56", fault: "the proxy is removed", then: "it is back with its routes at the next reconcile", breaks: true, do: proxyRemoved},
		{id: "F56", fault: "the proxy loses its state", then: "its routes are back at the next reconcile", breaks: true, do: proxyForgets},
		{id: "F56", fault: "the proxy is killed in mid-rollout", then: "the rollout ends on the new version", breaks: true, do: proxyKilled},
		{id: "F57", fault: "a switch is made, and its reply never comes", then: "what has the traffic is read back before anything is stopped; no request fails, one that is under way is answered", breaks: true, do: switchUnheard},
	}
}

// sshdMute is an sshd that has lost its connections and answers no new one.
func sshdMute() trouble {
	return trouble{do: sshd(func(h *fleet.Host, ctx context.Context, name string) error {
		if err := h.FreezeService(ctx, name); err != nil {
			return err
		}
		return hangUp(h, ctx)
	}), undo: sshd(func(h *fleet.Host, ctx context.Context, name string) error { return h.ThawService(ctx, name) })}
}

func sshRows() []row {
	stopped := trouble{do: sshd(func(h *fleet.Host, ctx context.Context, name string) error {
		if err := h.StopService(ctx, name); err != nil {
			return err
		}
		return hangUp(h, ctx)
	}), undo: sshd(func(h *fleet.Host, ctx context.Context, name string) error { return h.StartService(ctx, name) })}
	return []row{
		{id: "F10", fault: "an sshd accepts and stays mute", then: "it is given up and told; the rollout goes on when it speaks", breaks: true, do: before(sshdMute())},
		{id: "F13", fault: "all SSH connections are lost in mid-rollout", then: "they are made again; the rollout ends on the new version", breaks: true, do: lines},
		{id: "F13", fault: "an sshd is away in mid-rollout", then: "it is told and waited for; the rollout ends on the new version", breaks: true, do: during(release.Preparing, stopped)},
		{id: "F12", fault: "an sshd has MaxSessions 1 and MaxStartups 1:100:1", then: "rollouts work as ever", quick: true, breaks: true, do: narrow},
	}
}

// hangUp ends every SSH connection of a host, and leaves the sshd that listens.
func hangUp(h *fleet.Host, ctx context.Context) error {
	_, err := h.Exec(ctx, "sh", "-c", `listener=$(cat /run/fleet/sshd.pid 2>/dev/null || echo 0)
for status in /proc/[0-9]*/status; do
	pid=${status#/proc/}; pid=${pid%/status}
	grep -q '^Name:.sshd' "$status" 2>/dev/null && [ "$pid" != "$listener" ] && [ "$pid" != 1 ] && kill -9 "$pid"
done; true`)
	return err
}

func lines(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	for _, h := range s.Hosts {
		s.Do(hangUp(h, s.Context()))
	}
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
}

func narrow(s *scene) {
	const file = "/etc/ssh/sshd_config"
	restart := func(line string) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, h := range s.Hosts {
				if _, err := h.Exec(ctx, "sh", "-c", line); err != nil {
					return err
				}
				if err := h.StopService(ctx, "sshd"); err != nil {
					return err
				}
				if err := h.StartService(ctx, "sshd"); err != nil {
					return err
				}
			}
			return nil
		}
	}
	s.breaks(restart("cp "+file+" "+file+".old && printf 'MaxSessions 1\\nMaxStartups 1:100:1\\n' >> "+file), restart("mv "+file+".old "+file))
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
	s.Ends(s.push("v3", map[string]string{"EXIT": "3"}), release.RolledBack)
	s.Serves("v2")
	s.Ends(s.push("v4", nil), release.Succeeded)
}

func engineStoppedInWatch(s *scene) {
	s.live()
	s.image("v2", nil)
	sha := s.Push(s.file("v2").With("x-fairlead", "{ window: 20s }"))
	s.Told(sha, release.Watching)
	since := time.Now()
	mend := s.suffers(engineStopped())
	s.noticed(since, s.last().Addr)
	mend()
	ev := s.Told(sha, stage.Ended()...)
	switch ev.Release.Status {
	case release.Succeeded:
		s.untilServes("v2")
	case release.RolledBack:
		s.untilServes("v1")
	default:
		s.Fatalf("it is %s: %s", ev.Release.Status, ev.Message)
	}
	s.EndedOnce(sha)
}

func engineRestarts(s *scene) {
	s.live()
	h := s.last()
	id := s.Containers(h)[0].ID
	s.Do(h.StopEngine(s.Context()))
	s.Do(h.StartEngine(s.Context()))
	s.untilServes("v1")
	if list := s.Containers(h); len(list) != 1 || list[0].ID != id {
		s.Errorf("%s has other containers than before: %+v", h.Name, list)
	}
}

func proxyRemoved(s *scene) {
	s.live()
	_, err := s.last().Docker(s.Context(), "rm", "-f", "kamal-proxy")
	s.Do(err)
	s.untilServes("v1")
}

func proxyForgets(s *scene) {
	s.live()
	h := s.last()
	out, err := h.Docker(s.Context(), "volume", "inspect", "--format", "{{.Mountpoint}}", "kamal-proxy-config")
	s.Do(err)
	_, err = h.Docker(s.Context(), "kill", "kamal-proxy")
	s.Do(err)
	_, err = h.Exec(s.Context(), "find", strings.TrimSpace(out), "-type", "f", "-delete")
	s.Do(err)
	_, err = h.Docker(s.Context(), "start", "kamal-proxy")
	s.Do(err)
	s.untilServes("v1")
}

func proxyKilled(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	_, err := s.last().Docker(s.Context(), "kill", "kamal-proxy")
	s.Do(err)
	ev := s.Told(sha, stage.Ended()...)
	if ev.Release.Status != release.Succeeded {
		s.Fatalf("a proxy that is killed is no fault of the release, and it is %s: %s", ev.Release.Status, ev.Message)
	}
	s.untilServes("v2")
}

// switchUnheard has a request under way at the old version, for whose end the
// proxy waits before it tells of the switch; meanwhile nobody can hear it.
func switchUnheard(s *scene) {
	s.live()
	h := s.last()
	answer := make(chan string, 1)
	s.image("v2", nil)
	leave := s.visitors()
	sha := s.Push(s.file("v2").With("drain_timeout", "30"))
	s.Told(sha, release.Preparing)
	go func() { // ends with its request
		got, err := actor.Get(s.Context(), &http.Client{Timeout: 30 * time.Second}, s.Site(h), "/slow?ms=15000")
		if err != nil {
			got = err.Error()
		}
		answer <- got
	}()
	s.Until("the switch is made", func() bool { got, err := s.Answer(h); return err == nil && got == "v2" })
	since := time.Now()
	mend := s.suffers(sshdMute())
	s.noticed(since, h.Addr)
	if names := s.Running(h); len(names) != 2 {
		s.Errorf("nobody has heard of the switch, and these run: %v", names)
	}
	if got := <-answer; got != "done v1" {
		s.Errorf("the request under way was answered %q", got)
	}
	mend()
	s.Ends(sha, release.Succeeded)
	leave()
	s.Serves("v2")
	s.copies("v2", 1)
	s.EndedOnce(sha)
}
