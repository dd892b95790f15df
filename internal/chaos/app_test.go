package chaos_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func appRows() []row {
	const back = "all hosts stay on, or go back to, the old version; the message has the reason"
	return []row{
		{id: "F17", fault: "the new version takes too much memory", then: back + ": out of memory", do: tooMuchMemory},
		{id: "F18", fault: "the new version dies while it is watched", then: back + ": its exit code", quick: true,
			do: goesBack(map[string]string{"DIE_AFTER": "6s"}, stage.YAML{"x-fairlead": "{ window: 30s }"}, "7")},
		{id: "F18", fault: "the new version dies after it was watched", then: "it is started again, and Git is followed further", do: diesLater},
		{id: "F18", fault: "the new version ends at once", then: back + ": its exit code", do: goesBack(map[string]string{"EXIT": "3"}, nil, "3")},
		{id: "F19", fault: "every second health check fails", then: "it is one or the other, on all hosts alike", do: flaps},
		{id: "F19", fault: "the health check fails while it is watched", then: back, do: goesBack(map[string]string{"SICK_AFTER": "3s"}, stage.YAML{"x-fairlead": "{ window: 30s }"}, "")},
		{id: "F20", fault: "the new version takes long to get ready", then: "it is given the time of deploy_timeout", do: getsReadyLate},
		{id: "F20", fault: "the health check hangs", then: back, do: goesBack(map[string]string{"HEALTH": "hang"}, stage.YAML{"deploy_timeout": "5"}, "")},
		{id: "F20", fault: "the health check answers 500", then: back, do: goesBack(map[string]string{"HEALTH": "fail"}, stage.YAML{"deploy_timeout": "5"}, "")},
		{id: "F20", fault: "the health check redirects", then: back, do: goesBack(map[string]string{"HEALTH": "redirect"}, stage.YAML{"deploy_timeout": "5"}, "")},
		{id: "F21", fault: "the port never opens", then: back, do: goesBack(map[string]string{"PORT": "81"}, stage.YAML{"deploy_timeout": "5"}, "")},
		{id: "F21", fault: "the port is open on 127.0.0.1 only", then: back, do: goesBack(map[string]string{"BIND": "127.0.0.1"}, stage.YAML{"deploy_timeout": "5"}, "")},
		{id: "F22", fault: "the old version ignores SIGTERM", then: "it is killed after its time; the new one is live, no request fails", do: ignoresTerm},
		{id: "F22", fault: "requests are under way for 4 s at the switch", then: "all are answered", do: underWay},
		{id: "F55", fault: "a hook hangs, ignores SIGTERM and leaves a process behind", then: back + "; nothing of it is left",
			do: badHook("1h 0 stubborn fork", "took longer than 2s")},
		{id: "F55", fault: "a hook prints 100 MB and fails", then: back + " and the end of what it printed; the daemon, which boots two proxies first, stays below 96 MiB", quick: true,
			do: badHook("0s 3 flood", "exit status 3")},
		{id: "F58", fault: "the new version fails on one host of two", then: back, quick: true, do: failsOnOne},
		{id: "F62", fault: "what both versions need goes while the new one is watched", then: "going back is tried once, a person is called once and told of each host; when it is there again the next commit goes live", do: bothBad},
	}
}

// goesBack deploys a bad v2 and wants v1 everywhere.
func goesBack(knobs map[string]string, change stage.YAML, exitCode string) func(*scene) {
	return func(s *scene) {
		s.live()
		s.image("v2", knobs)
		file := s.file("v2")
		for key, value := range change {
			file[key] = value
		}
		sha := s.Push(file)
		ev := s.Ends(sha, release.RolledBack)
		s.Serves("v1")
		s.EndedOnce(sha)
		f := ev.Release.Failure
		if f == nil || f.Class != release.Verdict || f.Next == "" || len(f.Logs) == 0 {
			s.Fatalf("the failure is told as %+v", f)
		}
		if exitCode != "" && (f.ExitCode == nil || *f.ExitCode != int(exitCode[0]-'0')) {
			s.Errorf("the exit code is told as %v", f.ExitCode)
		}
	}
}

func tooMuchMemory(s *scene) {
	s.live()
	s.image("v2", map[string]string{"EAT_MB": "200"})
	sha := s.Push(s.file("v2").With("servers", "{ web: { hosts: ["+s.Hosts[0].Addr+", "+s.Hosts[1].Addr+"], options: { memory: 48m } } }"))
	ev := s.Ends(sha, release.RolledBack)
	if f := ev.Release.Failure; f == nil || !f.OOMKilled {
		s.Errorf("the failure is told as %+v", f)
	}
	s.Serves("v1")
}

func diesLater(s *scene) {
	s.live()
	s.Ends(s.push("v2", map[string]string{"DIE_AFTER": "12s"}), release.Succeeded)
	s.Serves("v2")
	h := s.Hosts[0]
	began := s.Containers(h)
	s.Until("it was started again", func() bool {
		for _, c := range s.Containers(h) {
			if c.Name == s.Web("v2") && c.State.Running && c.State.StartedAt.After(began[0].State.StartedAt.Add(10*time.Second)) {
				return true
			}
		}
		return false
	})
}

func flaps(s *scene) {
	s.live()
	sha := s.push("v2", map[string]string{"HEALTH": "flap"})
	ev := s.Told(sha, stage.Ended()...)
	switch ev.Release.Status {
	case release.Succeeded:
		s.Serves("v2")
	case release.RolledBack:
		s.Serves("v1")
	default:
		s.Errorf("it is %s: %s", ev.Release.Status, ev.Message)
	}
	s.EndedOnce(sha)
}

func getsReadyLate(s *scene) {
	s.live()
	s.Ends(s.push("v2", map[string]string{"BOOT_DELAY": "9s"}), release.Succeeded)
	s.Serves("v2")
}

func ignoresTerm(s *scene) {
	s.liveWith(map[string]string{"IGNORE_TERM": "1"})
	leave := s.visitors()
	s.Ends(s.push("v2", nil), release.Succeeded)
	leave()
	s.Serves("v2")
}

// visitors ask all hosts from now on; leave fails the test when one request
// went wrong.
func (s *scene) visitors() (leave func()) {
	var sites []actor.Site
	for _, h := range s.Hosts {
		sites = append(sites, s.Site(h))
	}
	tr := actor.StartTraffic(sites)
	s.Cleanup(tr.Stop)
	return func() {
		s.Helper()
		tr.Stop()
		if seen := tr.Count(); seen.Failed > 0 || seen.Sent == 0 {
			s.Errorf("%s, the first one: %v", seen, seen.First)
		}
	}
}

func underWay(s *scene) {
	s.live()
	answers := make(chan string, 8)
	ask := func(i int) {
		got, err := actor.Get(s.Context(), actor.NewClient(), s.Site(s.Hosts[i%2]), "/slow?ms=4000")
		if err != nil {
			got = err.Error()
		}
		answers <- got
	}
	s.image("v2", nil)
	sha := s.Push(s.file("v2"))
	s.Told(sha, release.Preparing)
	for i := range cap(answers) {
		go ask(i) // ends with its request
	}
	s.Ends(sha, release.Succeeded)
	for range cap(answers) {
		if got := <-answers; !strings.HasPrefix(got, "done v") {
			s.Errorf("a request under way was answered %q", got)
		}
	}
	s.Serves("v2")
}

func failsOnOne(s *scene) {
	s.live()
	s.image("v2", nil)
	servers := "{ web: [" + s.Hosts[0].Addr + ", { " + s.Hosts[1].Addr + ": [odd] }] }"
	sha := s.Push(s.file("v2").With("servers", servers).With("env", "{ clear: {}, tags: { odd: { EXIT: 9 } } }"))
	ev := s.Ends(sha, release.RolledBack)
	s.Serves("v1")
	if f := ev.Release.Failure; f == nil || f.Host != s.Hosts[1].Addr {
		s.Errorf("the failure is told as %+v", f)
	}
}

// badHook deploys a v2 with a hook that does not end well.
func badHook(task, says string) func(*scene) {
	return func(s *scene) {
		s.Settings["allow"] = "[hooks]"
		s.live()
		s.image("v2", nil)
		ev := s.Ends(s.Push(s.file("v2").With("hooks", `{ pre-deploy: ["task `+task+`"] }`).
			With("x-fairlead", "{ window: 2s, hooks: { pre-deploy: { deadline: 2s } } }")), release.RolledBack)
		s.Serves("v1")
		f := ev.Release.Failure
		if f == nil || f.Class != release.Verdict || !strings.Contains(f.Message, says) || strings.Contains(task, "flood") && !strings.Contains(strings.Join(f.Logs, "\n"), "the end of the flood") {
			s.Errorf("the failure is told as %+v", f)
		}
		for _, h := range s.Hosts {
			left, err := h.Docker(s.Context(), "ps", "-aq", "--filter", "label=fairlead.hook", "--filter", "label=service="+s.Lane)
			if err != nil || strings.TrimSpace(left) != "" {
				s.Errorf("%s still has containers of the hook: %s (%v)", h.Name, left, err)
			}
		}
		s.bounded(96)
	}
}

// bothBad takes away the database of both versions, so to say.
func bothBad(s *scene) {
	const file = "/srv/state"
	needy := func(version string) (sha string) {
		s.image(version, map[string]string{"NEEDS": "/state/db"})
		return s.Push(s.file(version).With("volumes", "[ '"+file+"/"+s.Lane+":/state' ]").With("x-fairlead", "{ window: 20s }"))
	}
	at := func(line string) {
		for _, h := range s.Hosts {
			_, err := h.Exec(s.Context(), "sh", "-c", line)
			s.Do(err)
		}
	}
	dir := file + "/" + s.Lane
	at("mkdir -p " + dir + " && echo data > " + dir + "/db")
	s.Cleanup(func() { // the hosts may be stopping
		for _, h := range s.Hosts {
			_, _ = h.Exec(context.WithoutCancel(s.Context()), "rm", "-rf", dir)
		}
	})
	s.Start()
	s.Ends(needy("v1"), release.Succeeded)
	sha := needy("v2")
	s.Told(sha, release.Watching)
	at("rm " + dir + "/db")
	ev := s.Ends(sha, release.NeedsHuman)
	if !strings.Contains(ev.Release.Reason, "going back did not work") {
		s.Errorf("it is told as %q", ev.Release.Reason)
	}
	var told, want []string
	for _, o := range ev.Release.Hosts {
		told = append(told, o.Host)
		if !slices.Contains([]string{"old", "new", "unknown"}, o.State) {
			s.Errorf("%s is told as %q, %q", o.Host, o.State, o.Detail)
		}
	}
	for _, h := range s.Hosts {
		want = append(want, h.Addr)
	}
	if slices.Sort(told); !slices.Equal(told, slices.Sorted(slices.Values(want))) {
		s.Errorf("of its hosts it tells %+v", ev.Release.Hosts)
	}
	s.EndedOnce(sha)
	at("echo data > " + dir + "/db")
}
