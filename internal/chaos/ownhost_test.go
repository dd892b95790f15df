package chaos_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/chaos/tapped"
	"github.com/fairlead-deploy/fairlead/release"
)

// ownHostRows are what happens to the daemon's own machine.
func ownHostRows() []row {
	const goesOn = "the log says so, hosts are looked after, and what was pushed is deployed when it is over"
	return []row{
		{id: "F5", fault: "the kernel kills the daemon for memory in mid-rollout", then: "after its restart the rollout ends as it would have; no lock and no second copy is left", do: killedForMemory},
		{id: "F43", fault: "the daemon's clock jumps ten years ahead in mid-rollout, and then an hour back", then: "rollouts end in their time, no lock is lost, the order of releases stays, and what receivers refused for its date is told when the clock is right", do: clockJumps},
		{id: "F44", fault: "the daemon's disk fails: each write of its database is an I/O error", then: "nothing is begun that could not be written down; it says where to look, and goes on by itself when the disk works", do: diskFails},
		{id: "F48", fault: "each fsync of the daemon takes a second", then: "slower, not wrong; it answers meanwhile", do: slowFsync},
		{id: "F60", fault: "the daemon has no file descriptor left", then: "the log says so, and it goes on by itself when there are some", quick: true, do: noDescriptor},
		{id: "F60", fault: "no name is resolved (SERVFAIL)", then: goesOn, do: namesDisturbed(refusingNames)},
		{id: "F60", fault: "the resolver never answers", then: goesOn, do: namesDisturbed(unheard)},
		{id: "F60", fault: "the folder for temporary files is full", then: "rollouts work as ever", do: temporaryFull},
	}
}

// memoryGroup makes a cgroup that has next to no memory, puts a process into it
// and returns how many were killed for that.
func (s *scene) memoryGroup(pid int) (killed func() int) {
	s.Helper()
	root, limit, events := "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		root, limit, events = "/sys/fs/cgroup", "memory.max", "memory.events"
		s.Do(os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0o644))
	}
	group := filepath.Join(root, fmt.Sprintf("fairlead-chaos-%d-%s", os.Getpid(), s.Lane))
	s.Do(os.Mkdir(group, 0o755))
	s.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			s.Error(err)
		}
	})
	s.Do(os.WriteFile(filepath.Join(group, limit), []byte("262144"), 0o644))
	s.Do(os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644))
	return func() int {
		s.Helper()
		text, err := os.ReadFile(filepath.Join(group, events))
		s.Do(err)
		for line := range strings.Lines(string(text)) {
			if word, n, _ := strings.Cut(strings.TrimSpace(line), " "); word == "oom_kill" {
				count, err := strconv.Atoi(n)
				s.Do(err)
				return count
			}
		}
		s.Fatalf("%s has no oom_kill: %s", events, text)
		return 0
	}
}

func killedForMemory(s *scene) {
	s.live()
	sha := s.push("v2", slow())
	s.Told(sha, release.Preparing)
	killed := s.memoryGroup(s.Daemon.Pid())
	select {
	case <-s.Daemon.Ended():
	case <-time.After(time.Minute):
		s.Fatal("it lives without memory")
	}
	if err := s.Daemon.Stop(); err == nil || !strings.Contains(err.Error(), "killed") || killed() == 0 {
		s.Fatalf("it ended by itself: %v", err)
	}
	s.Do(s.Daemon.Start())
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.copies("v2", 1)
	s.EndedOnce(sha)
}

// tap runs the daemon so that a judge is asked about its calls.
func (s *scene) tap(judge tapped.Judge, calls ...uint32) *tapped.Tap {
	s.Helper()
	t, err := tapped.Open(s.Path("tap"), judge, calls...)
	s.Do(err)
	s.Cleanup(func() {
		if err := s.Daemon.Stop(); err != nil { // before nobody answers its calls
			s.Error(err)
		}
		if err := t.Close(); err != nil {
			s.Error(err)
		}
	})
	s.Daemon.Env = t.Environ(s.Daemon.Program)
	s.Daemon.Program, err = os.Executable()
	s.Do(err)
	return t
}

// clockJumps lets nothing be told while the clock is wrong: receivers refuse
// what is not signed now.
func clockJumps(s *scene) {
	tap := s.tap(nil, unix.SYS_CLOCK_GETTIME)
	var refused atomic.Int64
	s.behind(func(w http.ResponseWriter, r *http.Request) {
		signed, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(signed, 0)).Abs() > time.Minute {
			refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.Inbox.ServeHTTP(w, r)
	})
	s.live()
	second := s.push("v2", slow())
	s.Told(second, release.Preparing)
	tap.Skew.Store(int64(10 * 365 * 24 * time.Hour))
	s.untilServes("v2")
	third := s.push("v3", slow())
	s.Until("v3 is prepared", func() bool {
		newest := s.History()[0]
		return newest.Revision.SHA == third && newest.Status == release.Preparing
	})
	tap.Skew.Store(int64(-time.Hour))
	s.untilServes("v3")
	tap.Skew.Store(0)
	if ev := s.Ends(second, release.Succeeded); time.Until(ev.At) < 9*365*24*time.Hour {
		s.Errorf("its clock did not jump: v2 ended at %s", ev.At)
	}
	if ev := s.Ends(third, release.Succeeded); time.Since(ev.At) < 50*time.Minute {
		s.Errorf("its clock did not jump back: v3 ended at %s", ev.At)
	}
	s.copies("v3", 1)
	s.EndedOnce(second)
	s.EndedOnce(third)
	s.inOrder()
	if refused.Load() == 0 {
		s.Error("no message was refused")
	}
}

func diskFails(s *scene) {
	database := s.Path("data/fairlead.db")
	var bad atomic.Bool
	var refused atomic.Int64
	s.tap(func(c tapped.Call) unix.Errno {
		if !bad.Load() || !strings.HasPrefix(c.File(), database) {
			return 0
		}
		refused.Add(1)
		return unix.EIO
	}, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE)
	s.live()
	s.Serves("v1")
	picture := s.Picture()
	bad.Store(true)
	s.image("v2", nil)
	sha := s.Push(s.file("v2"))
	s.Until("the log tells of it", func() bool { return strings.Contains(s.Daemon.LastLines(), "dmesg") })
	s.lasting(5 * time.Second) // to see that nothing is begun
	if now := s.Picture(); now != picture || refused.Load() == 0 {
		s.Errorf("%d writes failed; it was\n%s\nand is\n%s", refused.Load(), picture, now)
	}
	s.History() // what was written before can be read
	bad.Store(false)
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
}

func slowFsync(s *scene) {
	var slow atomic.Int64
	s.tap(func(c tapped.Call) unix.Errno {
		if strings.HasPrefix(c.File(), s.Path("data")) {
			slow.Add(1)
			time.Sleep(time.Second) // the fault itself
		}
		return 0
	}, unix.SYS_FSYNC, unix.SYS_FDATASYNC)
	s.live()
	sha := s.push("v2", nil)
	s.Told(sha, release.Preparing)
	begin := time.Now()
	s.History()
	if took := time.Since(begin); took > 10*time.Second {
		s.Errorf("history took %s", took)
	}
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
	if slow.Load() < 10 {
		s.Errorf("only %d calls of fsync were slow", slow.Load())
	}
}

func noDescriptor(s *scene) {
	s.live()
	pid := s.Daemon.Pid()
	var before unix.Rlimit
	s.Do(unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before))
	s.Do(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil)) // what is open stays
	sha := s.push("v2", nil)
	conn, err := net.Dial("unix", s.Path("sock"))
	s.Do(err)
	defer conn.Close()
	s.Until("the log tells of it", func() bool { return strings.Contains(s.Daemon.LastLines(), "too many open files") })
	s.lasting(3 * time.Second)
	for _, h := range s.Hosts {
		if got, err := s.Answer(h); err != nil || got != "v1" && got != "v2" {
			s.Errorf("%s answers %q, %v", h.Name, got, err)
		}
	}
	s.Do(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil))
	s.Ends(sha, release.Succeeded)
	s.Serves("v2")
	s.EndedOnce(sha)
}

// What a resolver does.
const (
	resolving int32 = iota
	refusingNames
	unheard
)

// resolver answers every question for an address with 127.0.0.1, in the mode
// that is set, and is the only one that the daemon asks.
func (s *scene) resolver() (mode *atomic.Int32) {
	s.Helper()
	mode = new(atomic.Int32)
	address := "127.53." + strings.TrimPrefix(s.Lane, "s") + ".1"
	packets, err := net.ListenPacket("udp", address+":53")
	s.Do(err)
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		switch {
		case mode.Load() == unheard:
			return
		case mode.Load() == refusingNames:
			reply.Rcode = dns.RcodeServerFailure
		case q.Question[0].Qtype == dns.TypeA:
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply) // who asked may be gone
	})}
	go func() { _ = server.ActivateAndServe() }() // ends with Shutdown
	s.Cleanup(func() { _ = server.Shutdown() })
	s.Write("resolv.conf", "nameserver "+address+"\n")
	s.Write("resolved", "#!/bin/sh\nexec unshare --mount --propagation private sh -c 'mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"' "+
		s.Path("resolv.conf")+" "+s.Daemon.Program+" \"$@\"\n")
	s.Do(os.Chmod(s.Path("resolved"), 0o700))
	s.Daemon.Program = s.Path("resolved")
	return mode
}

func namesDisturbed(state int32) func(*scene) {
	return func(s *scene) {
		mode := s.resolver()
		l := s.throughLine()
		s.Settings["url"] = strings.Replace(s.Settings["url"], "127.0.0.1", "git.example.com", 1)
		s.live()
		s.Serves("v1")
		mode.Store(state)
		l.disturb("") // the next connection needs the name
		sha := s.push("v2", nil)
		s.Until("the log tells of it", func() bool { return strings.Contains(s.Daemon.LastLines(), "git.example.com") })
		s.docker(s.last(), "rm", "-f", "WEB")
		s.untilServes("v1")
		if said := s.Daemon.LastLines(); !slices.ContainsFunc([]string{"lookup", "name"}, func(word string) bool { return strings.Contains(said, word) }) {
			s.Errorf("it does not say that a name is not resolved: %s", said)
		}
		mode.Store(resolving)
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
		s.EndedOnce(sha)
	}
}

func temporaryFull(s *scene) {
	tmp := s.Path("tmp")
	s.Do(os.Mkdir(tmp, 0o700))
	s.Do(unix.Mount("fairlead-chaos", tmp, "tmpfs", 0, "size=4k,nr_inodes=2,mode=700"))
	s.Cleanup(func() { _ = unix.Unmount(tmp, unix.MNT_DETACH) })
	s.Write("tmp/full", strings.Repeat("x", 4096))
	if err := os.WriteFile(filepath.Join(tmp, "more"), nil, 0o600); err == nil {
		s.Fatal("there is room")
	}
	s.Daemon.Env = []string{"TMPDIR=" + tmp}
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}
