package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

func daemonRows() []row {
	const goesOn = "after its restart the rollout ends as it would have; no lock and no second copy is left"
	rows := []row{}
	for _, at := range []release.Status{release.Preparing, release.Switching, release.Watching} {
		rows = append(rows, row{id: "F1", fault: "the daemon is killed (kill -9) when it says " + string(at), then: goesOn,
			quick: at == release.Switching, do: killed(at)})
	}
	return append(rows,
		row{id: "F1", fault: "the daemon is killed ten times in one rollout", then: goesOn, do: killedAgainAndAgain},
		row{id: "F2", fault: "the daemon is killed while it goes back", then: "after its restart all hosts are back on the old version", quick: true, do: killedGoingBack},
		row{id: "F3", fault: "the daemon is told to stop (SIGTERM) in mid-rollout", then: "it ends within 30 s with status 0 and frees its lock; the next start goes on", quick: true, do: terminated},
		row{id: "F40", fault: "the daemon is frozen for 40 s in mid-rollout", then: "another installation takes its lock; the one that wakes does no harm", do: frozenAndOvertaken},
	)
}

// copies fails the test unless each host has one container of a version.
func (s *scene) copies(version string, want int) {
	s.Helper()
	for _, h := range s.Hosts {
		n := 0
		for _, c := range s.Containers(h) {
			if strings.HasPrefix(c.Name, s.Web(version)) {
				n++
			}
		}
		if n != want {
			s.Errorf("%s has %d containers of %s, want %d", h.Name, n, version, want)
		}
	}
}

func killed(at release.Status) func(*scene) {
	return func(s *scene) {
		s.live()
		sha := s.push("v2", map[string]string{"BOOT_DELAY": "1s"})
		s.Told(sha, at)
		s.Do(s.Daemon.Kill())
		s.Do(s.Daemon.Start())
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
		s.copies("v2", 1)
		s.EndedOnce(sha)
	}
}

func killedAgainAndAgain(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Planning, release.Preparing)
	for range 10 {
		s.Do(s.Daemon.Kill())
		s.Do(s.Daemon.Start())
		s.lasting(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
	}
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.copies("v2", 1)
	s.EndedOnce(sha)
}

func killedGoingBack(s *scene) {
	s.live()
	s.image("sick", map[string]string{"SICK_AFTER": "3s", "IGNORE_TERM": "1"})
	sha := s.Push(s.file("sick").With("x-fairlead", "{ window: 30s }"))
	s.Told(sha, release.RollingBack)
	s.Do(s.Daemon.Kill())
	s.Do(s.Daemon.Start())
	s.Ends(sha, release.RolledBack)
	s.Serves("v1")
	s.EndedOnce(sha)
}

func terminated(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	s.Do(s.Daemon.Stop()) // an error when it takes 30 s or its status is not 0
	if locks := s.Locks(); len(locks) > 0 {
		s.Errorf("it left %v", locks)
	}
	s.Do(s.Daemon.Start())
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.copies("v2", 1)
}

// another is a second installation for the same service, which runs until the
// end of the test and tells nobody.
func (s *scene) another() *actor.Daemon {
	s.Helper()
	d := &actor.Daemon{Program: s.Daemon.Program, Conf: s.Path("another.yml"), Log: s.Path("another.log")}
	operator := s.Operator.With("data_dir", s.Path("data2")).With("socket", s.Path("sock2")).With("notify", "[]")
	s.Write("another.yml", "repositories:\n  "+s.Lane+":\n    url: "+s.Remote.HTTP+"\n    branch: main\n    poll: 1s\n"+operator.String())
	s.Do(d.Start())
	s.Cleanup(func() {
		if err := d.Stop(); err != nil && !s.Failed() {
			s.Error(err)
		}
		if s.Failed() {
			s.Log("the end of the other daemon's log:\n" + d.LastLines())
		}
	})
	return d
}

func frozenAndOvertaken(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	pid := s.Daemon.Pid()
	s.Do(syscall.Kill(pid, syscall.SIGSTOP))
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	other := s.another()
	s.untilServes("v2") // its lock is 30 s old then
	picture := s.Picture()
	s.Do(other.Stop())
	s.Do(syscall.Kill(pid, syscall.SIGCONT))
	s.Told(sha, stage.Ended()...)
	s.untilServes("v2")
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}

func twoDaemonRows() []row {
	return []row{
		{id: "F38", fault: "a second daemon starts on the same data folder", then: "it refuses, and the first one notices nothing", quick: true, do: sameFolder},
		{id: "F39", fault: "two installations follow one repository", then: "one rolls out at a time; nothing is done twice", do: twoInstallations},
	}
}

func sameFolder(s *scene) {
	s.live()
	pid := s.Daemon.Pid()
	other := &actor.Daemon{Program: s.Daemon.Program, Conf: s.Daemon.Conf, Log: s.Path("another.log")}
	s.Do(other.Start())
	select {
	case <-other.Ended():
	case <-time.After(stage.Patience):
		s.Error("the second one runs")
	}
	if other.Stop() == nil {
		s.Error("the second one ended with status 0")
	}
	if said := other.LastLines(); !strings.Contains(said, fmt.Sprint(pid)) {
		s.Errorf("it does not name the first one, %d: %s", pid, said)
	}
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}

func twoInstallations(s *scene) {
	s.live()
	other := s.another()
	for _, version := range []string{"v2", "v3"} {
		sha := s.push(version, slow())
		s.untilServes(version)
		s.Told(sha, release.Succeeded, release.Unchanged)
		s.copies(version, 1)
	}
	s.Do(other.Stop())
}

func storeRows() []row {
	return []row{
		{id: "F47", fault: "the database is damaged", then: "the daemon says so and does not start on it; with it moved away nothing is redeployed", quick: true, do: databaseDamaged},
		{id: "F47", fault: "the data folder is lost", then: "nothing is redeployed", do: folderLost},
		{id: "F45", fault: "the daemon's write-ahead file is lost", then: "nothing is redeployed, and it goes on", do: walLost},
		{id: "F44", fault: "the daemon's disk is full", then: "nothing is begun that could not be written down; it goes on by itself when there is room", do: ownDiskFull},
	}
}

func databaseDamaged(s *scene) {
	sha := s.live()
	s.Serves("v1")
	s.Do(s.Daemon.Stop())
	picture := s.Picture()
	path := s.Path("data/fairlead.db")
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	s.Do(err)
	for at := int64(4096); at < 40960; at += 512 {
		_, err = file.WriteAt([]byte("this was a page of the database"), at)
		s.Do(err)
	}
	s.Do(file.Close())
	s.Do(s.Daemon.Start())
	select {
	case <-s.Daemon.Ended():
	case <-time.After(stage.Patience):
		s.Fatal("it runs on a damaged database")
	}
	if s.Daemon.Stop() == nil {
		s.Error("it ended with status 0")
	}
	if said := s.Daemon.LastLines(); !strings.Contains(said, "fairlead.db") {
		s.Errorf("it does not name the file: %s", said)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+suffix+".damaged"); err != nil && !os.IsNotExist(err) {
			s.Fatal(err)
		}
	}
	s.Do(s.Daemon.Start())
	s.Told(sha, release.Unchanged)
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}

func folderLost(s *scene) {
	sha := s.live()
	s.Serves("v1")
	s.Do(s.Daemon.Kill())
	picture := s.Picture()
	s.Do(os.RemoveAll(s.Path("data")))
	s.Do(s.Daemon.Start())
	s.Told(sha, release.Unchanged)
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}

func walLost(s *scene) {
	s.live()
	s.Serves("v1")
	s.Do(s.Daemon.Kill())
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(s.Path("data/fairlead.db") + suffix); err != nil && !os.IsNotExist(err) {
			s.Fatal(err)
		}
	}
	picture := s.Picture()
	s.Do(s.Daemon.Start())
	s.Ends(s.PushFiles(map[string]string{"README.md": "Nothing that runs is changed.\n"}), release.Unchanged)
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
}

func ownDiskFull(s *scene) {
	data := s.Path("data")
	s.Do(os.Mkdir(data, 0o700))
	s.Do(unix.Mount("fairlead-chaos", data, "tmpfs", 0, "size=16m,mode=700"))
	s.Cleanup(func() { _ = unix.Unmount(data, unix.MNT_DETACH) })
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	filler := s.Path("data/filler")
	file, err := os.Create(filler)
	s.Do(err)
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	s.Do(file.Close())
	s.image("v2", nil)
	sha := s.Push(s.file("v2"))
	s.Until("the log tells of it", func() bool {
		text := strings.ToLower(s.Daemon.LastLines())
		return strings.Contains(text, "no space left") || strings.Contains(text, "disk is full") || strings.Contains(text, "disk full")
	})
	s.lasting(5 * time.Second) // to see that nothing is begun
	if now := s.Picture(); now != picture {
		s.Errorf("it was\n%s\nand is\n%s", picture, now)
	}
	s.Do(os.Remove(filler))
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
}
