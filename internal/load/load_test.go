package load_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// The size of the run; `make load` asks for a big one.
var (
	rollouts = flag.Int("rollouts", 6, "how many releases to roll out at least, every second one a bad one")
	requests = flag.Int("requests", 0, "how many requests to send at least, in further rollouts")
)

// shared is made by TestMain before the first test and cleared after the last.
var shared *stage.Stage

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	// The disks have a size, so that they can be full.
	s, err := stage.Open(context.Background(), fleet.Options{Hosts: 2, DiskMB: 1024})
	defer func() {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = s
	return m.Run()
}

// bad are the ways in which every second release fails: before it gets a
// request, and when it has had many.
func bad() []map[string]string {
	return []map[string]string{
		{"SICK_AFTER": "4s"}, // it serves, and then its health check fails
		{"HEALTH": "fail"},
		{"EXIT": "1"},
	}
}

func TestNoRequestFailsWhileReleasesGoLiveAndGoBack(t *testing.T) {
	begin := time.Now()
	other := stage.New(t, shared, "sockets", shared.Fleet.Hosts)
	other.Image("v1", nil)
	other.Start()
	other.Ends(other.Push(other.File("v1")), release.Succeeded)
	sockets := openSockets(t, other)

	s := stage.New(t, shared, "shop", shared.Fleet.Hosts)
	s.Image("v0", nil)
	s.Start()
	s.Ends(s.Push(s.File("v0")), release.Succeeded)
	c := gather(sites(s), kinds())
	t.Cleanup(c.leave)
	live, back := "v0", 0
	n := 0
	for sent := 0; n < *rollouts || sent < *requests; sent, _, _ = c.count() {
		n++
		file, want := s.File(fmt.Sprintf("v%d", n)), release.Succeeded
		file["deploy_timeout"], file["retain_containers"] = "15", "2"
		var knobs map[string]string
		if n%2 == 0 {
			knobs, want = bad()[n/2%len(bad())], release.RolledBack
			file["deploy_timeout"] = "5"
		}
		if knobs["SICK_AFTER"] != "" {
			file["x-fairlead"] = "{ window: 20s }"
		}
		version := fmt.Sprintf("v%d", n)
		s.Image(version, knobs)
		began := time.Now()
		s.Ends(s.Push(file), want)
		if want == release.Succeeded {
			live = version
		} else {
			back++
		}
		s.Serves(live)
		sent, failed, repeated := c.count()
		fmt.Printf("%s  rollout %d %v: %s in %.1f s; %d of %d requests failed, %d repeated\n",
			clock(time.Now()), n, knobs, want, time.Since(began).Seconds(), failed, sent, repeated)
	}
	c.leave()
	sent, failed, repeated := c.count()
	fmt.Printf("%s%d of %d requests failed, %d repeated, in %d rollouts, %d of them taken back, in %.0f s\n%s\n",
		c.table(), failed, sent, repeated, n, back, time.Since(begin).Seconds(), machine())
	if failed > 0 || repeated > 0 || sent == 0 {
		t.Errorf("%d of %d requests failed, %d were repeated", failed, sent, repeated)
	}
	fmt.Println(sockets.close(t))
}

func sites(s *stage.Service) []actor.Site {
	var all []actor.Site
	for _, h := range s.Hosts {
		all = append(all, s.Site(h))
	}
	return all
}

// machine is what the figures were measured on.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg") // shown only
	info, _ := os.ReadFile("/proc/cpuinfo")
	return fmt.Sprintf("%d cores, load %s", strings.Count(string(info), "processor\t"), strings.Join(strings.Fields(string(load))[:3], " "))
}

// errGap is what a visitor meets while there is no proxy.
var errGap = errors.New("no proxy")

func TestARestartedProxyServesAtOnceAndItsGapIsStated(t *testing.T) {
	s := stage.New(t, shared, "gap", shared.Fleet.Hosts[:1])
	s.Image("v1", nil)
	s.Image("v2", nil)
	s.Start()
	s.Ends(s.Push(s.File("v1")), release.Succeeded)
	s.Do(s.Daemon.Stop()) // nobody tells the proxy its routes again
	h := s.Hosts[0]
	v := &visitor{kind: kind{fresh: true}, site: s.Site(h), client: client(true)}
	v.client.Timeout = time.Second
	for _, how := range [][]string{{"restart", "kamal-proxy"}, {"kill", "kamal-proxy"}} {
		ended := make(chan error, 1)
		go func() {
			_, err := h.Docker(t.Context(), how...)
			if err == nil && how[0] == "kill" { // as a crash
				_, err = h.Docker(t.Context(), "start", "kamal-proxy")
			}
			ended <- err
		}()
		gap, failed := gapOf(t, v, ended)
		fmt.Printf("docker %s: no answer for %s, %d requests one after another failed; no reload of routes was needed\n",
			strings.Join(how, " "), gap.Round(time.Millisecond), failed)
	}
	s.Start()
	c := gather(sites(s), kinds())
	s.Ends(s.Push(s.File("v2")), release.Succeeded)
	c.leave()
	if sent, failed, repeated := c.count(); failed > 0 || repeated > 0 || sent == 0 {
		t.Errorf("in the rollout after it %d of %d requests failed, %d were repeated", failed, sent, repeated)
	}
	s.Serves("v2")
}

// gapOf asks without a pause until ended, and until it is answered after that.
func gapOf(t *testing.T, v *visitor, ended <-chan error) (gap time.Duration, failed int) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errGap)
	defer cancel()
	last, over := time.Now(), false
	for ctx.Err() == nil {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		if a := v.ask(ctx); a.err != nil {
			failed++
			continue
		}
		if failed > 0 {
			gap = max(gap, time.Since(last))
		}
		last = time.Now()
		if over {
			return gap, failed
		}
	}
	t.Fatal(context.Cause(ctx))
	return 0, 0
}

func TestAFullDiskUnderTheProxyLosesNoRoute(t *testing.T) {
	var all []*stage.Service
	for range 3 {
		s := stage.New(t, shared, "full", shared.Fleet.Hosts[:1])
		s.Image("v1", nil)
		s.Start()
		s.Ends(s.Push(s.File("v1")), release.Succeeded)
		s.Do(s.Daemon.Stop())
		all = append(all, s)
	}
	s, h := all[0], all[0].Hosts[0]
	c := gather(sites(s), kinds())
	t.Cleanup(func() { s.Do(h.FreeDisk(context.Background())) })
	s.Do(h.FillDisk(t.Context()))
	refused := 0
	for range 10 { // each writes its state
		_, err := h.Docker(t.Context(), "exec", "kamal-proxy", "kamal-proxy", "deploy", s.Lane+"-other",
			"--target="+s.Web("v1")+":80", "--host=other-"+s.Host(), "--health-check-path=/up")
		if err != nil {
			refused++
		}
	}
	c.leave()
	if sent, failed, repeated := c.count(); failed > 0 || repeated > 0 || sent == 0 {
		t.Errorf("while the disk was full %d of %d requests failed, %d were repeated", failed, sent, repeated)
	}
	// Not before: an engine whose disk is full cannot always let go of a
	// container's network. What the proxy has is what it wrote on the full disk.
	s.Do(h.FreeDisk(t.Context()))
	_, err := h.Docker(t.Context(), "kill", "kamal-proxy")
	s.Do(err)
	_, err = h.Docker(t.Context(), "start", "kamal-proxy")
	s.Do(err)
	for _, s := range all {
		s.Until(s.Lane+" is served by the proxy that was killed on a full disk", func() bool {
			got, err := s.Answer(h)
			return err == nil && got == "v1"
		})
	}
	fmt.Printf("with its disk full the proxy refused %d of 10 changes; killed and started again it has all %d routes\n", refused, len(all))
	if refused == 0 {
		t.Error("no change was refused: was the disk full?")
	}
}
