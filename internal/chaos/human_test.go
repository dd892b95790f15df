package chaos_test

import (
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

func humanRows() []row {
	const mended = "it is put back at the next reconcile"
	const goesOn = "the rollout ends on the new version, everywhere"
	return []row{
		{id: "F41", fault: "a person removes the running container", then: mended, quick: true, do: meddled("rm", "-f", "WEB")},
		{id: "F41", fault: "a person stops the running container", then: mended, do: meddled("stop", "-t", "1", "WEB")},
		{id: "F41", fault: "a person renames the running container", then: "it serves on, and the next release takes its place", do: renamed},
		{id: "F41", fault: "a person disconnects the container from its network", then: mended, do: meddled("network", "disconnect", "-f", "kamal", "WEB")},
		{id: "F41", fault: "a person removes the new container in mid-rollout", then: goesOn, do: meddledMidway("rm", "-f", "NEW")},
		{id: "F41", fault: "a person stops the old container in mid-rollout", then: goesOn, do: meddledMidway("stop", "-t", "1", "WEB")},
		{id: "F41", fault: "a person prunes containers and images in mid-rollout", then: goesOn, do: prunedMidway},
		{id: "F41", fault: "a person removes the lock in mid-rollout", then: goesOn, do: lockRemoved},
		{id: "F42", fault: "Kamal holds its lock", then: "it is respected and told; the rollout goes on when it is gone", quick: true, do: kamalLocks},
		{id: "F41", fault: "a person rolls back, and Git moves on", then: "it stays back until `fairlead resume`", do: heldBack},
	}
}

// docker runs it on a host, with WEB and NEW replaced by the containers of v1
// and v2.
func (s *scene) docker(h *fleet.Host, args ...string) {
	s.Helper()
	var named []string
	for _, arg := range args {
		switch arg {
		case "WEB":
			arg = s.Web("v1")
		case "NEW":
			arg = s.Web("v2")
		}
		named = append(named, arg)
	}
	_, err := h.Docker(s.Context(), named...)
	s.Do(err)
}

func meddled(args ...string) func(*scene) {
	return func(s *scene) {
		s.live()
		s.docker(s.last(), args...)
		s.untilServes("v1")
	}
}

func renamed(s *scene) {
	s.live()
	h := s.last()
	old := s.Containers(h)[0]
	leave := s.visitors()
	s.docker(h, "rename", "WEB", s.Lane+"-mine")
	s.Ends(s.push("v2", nil), release.Succeeded)
	leave()
	s.untilServes("v2")
	if list := s.Containers(h); len(list) != 2 || list[0].ID != old.ID && list[1].ID != old.ID {
		s.Errorf("the container was not kept for a way back: %+v", list)
	}
}

func meddledMidway(args ...string) func(*scene) {
	return func(s *scene) {
		s.live()
		s.image("v2", map[string]string{"BOOT_DELAY": "6s"})
		sha := s.Push(s.file("v2"))
		s.Until("the new container runs", func() bool {
			names := s.Running(s.last())
			return len(names) == 2
		})
		s.docker(s.last(), args...)
		ev := s.Told(sha, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman)
		if ev.Release.Status != release.Succeeded {
			s.Fatalf("what a person does is no fault of the release, and it is %s: %s", ev.Release.Status, ev.Message)
		}
		s.untilServes("v2")
		s.EndedOnce(sha)
	}
}

func prunedMidway(s *scene) {
	s.live()
	s.Ends(s.push("v0", nil), release.Succeeded) // so that there is something to prune
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	for _, h := range s.Hosts {
		s.docker(h, "container", "prune", "-f", "--filter", "label=service="+s.Lane)
		s.docker(h, "image", "prune", "-af")
	}
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
}

func lockRemoved(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	for _, h := range s.Hosts {
		_, err := h.Exec(s.Context(), "rm", "-rf", "/root/.kamal/lock-"+s.Lane)
		s.Do(err)
	}
	s.untilServes("v2")
}

func kamalLocks(s *scene) {
	s.live()
	s.Unlocked()
	h := s.Hosts[0]
	// What `kamal lock acquire` does (Kamal 2.12, lib/kamal/commands/lock.rb).
	dir := "/root/.kamal/lock-" + s.Lane
	_, err := h.Exec(s.Context(), "sh", "-c", "mkdir "+dir+" && echo 'Locked by: ana at 2026-11-23T03:12:00Z' | base64 > "+dir+"/details")
	s.Do(err)
	sha := s.push("v2", nil)
	s.Waits(sha, h.Addr)
	if out, err := h.Exec(s.Context(), "cat", dir+"/details"); err != nil || strings.TrimSpace(out) == "" {
		s.Errorf("Kamal's lock was touched: %q, %v", out, err)
	}
	for _, h := range s.Hosts {
		if got, err := s.Answer(h); got != "v1" {
			s.Errorf("%s answers %q, %v", h.Name, got, err)
		}
	}
	_, err = h.Exec(s.Context(), "rm", "-r", dir)
	s.Do(err)
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
}

func heldBack(s *scene) {
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	_, err := s.Command("rollback", s.Lane)
	s.Do(err)
	s.untilServes("v1")
	sha := s.push("v3", nil)
	s.Waits(sha, "held")
	s.Serves("v1")
	_, err = s.Command("resume", s.Lane)
	s.Do(err)
	s.untilServes("v3")
}
