package chaos_test

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/release"
)

func fileRows() []row {
	const refused = "the commit is refused with the place; what runs is untouched"
	return []row{
		{id: "F52", fault: "deploy.yml is no YAML", then: refused, quick: true, do: refusedFile("service: [oops\n")},
		{id: "F52", fault: "deploy.yml is an alias bomb", then: refused, do: refusedFile(bomb())},
		{id: "F52", fault: "deploy.yml has 100,000 levels", then: refused, do: refusedFile(strings.Repeat("[", 100_000))},
		{id: "F52", fault: "deploy.yml holds bytes that are no text", then: refused, do: refusedFile("service: \xff\xfe\x00\n")},
		{id: "F53", fault: "deploy.yml runs a command by ERB", then: "it is not run; the commit is refused with the place", do: erb},
		{id: "F54", fault: "a secret is missing", then: "no host is touched; its name is told, and the rollout goes on when it is there", do: secretMissing},
		{id: "F61", fault: "deploy.yml is deleted", then: "nothing is removed", do: fileDeleted},
		{id: "F61", fault: "a host is taken out of deploy.yml", then: "its containers are not destroyed unasked", do: hostTakenOut},
		{id: "F61", fault: "a role is taken out of deploy.yml, with a new version", then: "its container stays; with prune: true it is ended", do: roleTakenOut},
		{id: "F61", fault: "all hosts are replaced by others, with prune: true", then: "nothing of the old ones is ended before a person says `fairlead deploy`", do: allHostsReplaced},
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		before, now := "a"+string(rune('a'+i-1)), "a"+string(rune('a'+i))
		if i == 1 {
			before = "a0"
		}
		b.WriteString(now + ": &" + now + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 9), ", ") + "]\n")
	}
	return b.String()
}

func refusedFile(text string) func(*scene) {
	return func(s *scene) {
		s.live()
		s.Serves("v1")
		picture := s.Picture()
		sha := s.PushFiles(map[string]string{"config/deploy.yml": text})
		ev := s.Ends(sha, release.Failed)
		if f := ev.Release.Failure; f == nil || !strings.Contains(f.Message, "config/deploy.yml:") {
			s.Errorf("it does not say where: %s, %+v", ev.Message, f)
		}
		s.bounded(256)
		if now := s.Picture(); now != picture {
			s.Errorf("it was\n%s\nand is\n%s", picture, now)
		}
		s.Serves("v1")
	}
}

func erb(s *scene) {
	s.live()
	mark := s.Path("pwned")
	s.image("v2", nil)
	text := "# <%= `touch " + mark + "` %>\n" + s.file("v2").With("env", "{ clear: { NOTE: \"<%= `touch "+mark+"` %>\" } }").String()
	ev := s.Told(s.PushFiles(map[string]string{"config/deploy.yml": text}), stage.Ended()...)
	if _, err := os.Stat(mark); err == nil {
		s.Error("the command was run")
	}
	if f := ev.Release.Failure; ev.Release.Status != release.Failed || f == nil || !strings.Contains(f.Message, "config/deploy.yml:") {
		s.Errorf("it is told as %s: %+v", stage.Shown(ev), f)
	}
	s.Serves("v1")
}

func secretMissing(s *scene) {
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	s.image("v2", nil)
	sha := s.Push(s.file("v2").With("env", "{ secret: [NOWHERE] }"))
	s.Waits(sha, "NOWHERE")
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.Write("secrets", "NOWHERE=here\n")
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
}

func fileDeleted(s *scene) {
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	empty, err := s.Repo.Commit("Begin anew", map[string]string{"config/deploy.yml": ""})
	s.Do(err)
	s.Do(s.Repo.Send(s.Context(), "refs/heads/main:refs/heads/main"))
	s.Told(empty, release.Failed, release.Waiting)
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}

func hostTakenOut(s *scene) {
	s.live()
	gone := s.Hosts[1]
	name := s.Containers(gone)[0].Name
	s.image("v2", nil)
	sha := s.Push(s.file("v2").With("servers", "{ web: ["+s.Hosts[0].Addr+"] }"))
	s.Told(sha, append(stage.Ended(), release.Waiting)...)
	if got := s.Running(gone); len(got) != 1 || got[0] != name {
		s.Errorf("on the host that was taken out run %v", got)
	}
}

func roleTakenOut(s *scene) {
	h := s.Hosts[0]
	s.image("v1", nil)
	s.Start()
	file := s.file("v1")
	s.Ends(s.Push(file.With("servers", "{ web: ["+h.Addr+", "+s.last().Addr+"], job: ["+h.Addr+"] }")), release.Succeeded)
	s.Ends(s.push("v2", nil), release.Succeeded)
	if got := s.Running(h); !slices.Contains(got, s.Lane+"-job-v1") || !slices.Contains(got, s.Web("v2")) {
		s.Errorf("on %s run %v", h.Name, got)
	}
	s.image("v3", nil)
	s.Ends(s.Push(s.file("v3").With("x-fairlead", "{ window: 2s, prune: true }")), release.Succeeded)
	s.Serves("v3")
}

func allHostsReplaced(s *scene) {
	both := s.Hosts
	s.Cleanup(func() { s.Hosts = both })
	s.Hosts = both[:1]
	s.live()
	s.Hosts = both[1:]
	s.image("v2", nil)
	sha := s.Push(s.file("v2").With("x-fairlead", "{ window: 2s, prune: true }"))
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.lasting(7 * time.Second) // two reconciles, to see that they end nothing
	if got, err := s.Answer(both[0]); err != nil || got != "v1" {
		s.Errorf("the host that was left answers %q, %v", got, err)
	}
	_, err := s.Command("deploy", s.Lane)
	s.Do(err)
	s.Until("what ran on the former host has ended", func() bool { return len(s.Running(both[0])) == 0 })
	s.untilServes("v2")
}
