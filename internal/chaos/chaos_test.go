package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/chaos/tapped"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// `make chaos` asks for all rows and for the table.
var (
	all   = flag.Bool("all", false, "every row, not only the quick ones")
	rows  = flag.String("rows", "", "a regular expression: only rows whose number and name it matches")
	write = flag.Bool("write", false, "write the table in docs/reliability.md")
)

// shared is made by TestMain before the first test and cleared after the last.
var shared *ground

// ground is a fleet of four: two hosts to break, two that stay whole; and a
// registry that can be told to misbehave.
type ground struct {
	*stage.Stage
	fragile, sound []*fleet.Host
	registry       *registry
}

func TestMain(m *testing.M) {
	if err := tapped.Launch(); err != nil { // this process was to be the daemon
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx := context.Background()
	// The disks have a size, so that they can be full.
	s, err := stage.Open(ctx, fleet.Options{Hosts: 4, DiskMB: 1024})
	defer func() {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	var reg *registry
	if err == nil {
		reg, err = openRegistry(ctx, s.Fleet)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer reg.close()
	shared = &ground{Stage: s, fragile: s.Fleet.Hosts[:2], sound: s.Fleet.Hosts[2:], registry: reg}
	return m.Run()
}

// tally is how the rows came out, for the table.
type tally struct {
	mu   sync.Mutex
	took map[string]time.Duration // of those that were survived, by row.title
	done int
}

func TestFaultsAreSurvived(t *testing.T) {
	wanted := regexp.MustCompile(*rows)
	var todo []row
	for _, r := range faults() {
		if wanted.MatchString(r.title()) && (*all || *rows != "" || r.quick) {
			todo = append(todo, r)
		}
	}
	results := &tally{took: map[string]time.Duration{}}
	t.Run("all", func(t *testing.T) {
		// Hosts are broken one row at a time; the other rows run beside that.
		t.Run("hosts", func(t *testing.T) {
			t.Parallel()
			for _, r := range todo {
				if r.breaks {
					t.Run(r.title(), func(t *testing.T) { r.play(t, results) })
				}
			}
		})
		for _, r := range todo {
			if !r.breaks {
				t.Run(r.title(), func(t *testing.T) {
					t.Parallel()
					r.play(t, results)
				})
			}
		}
	})
	fmt.Printf("faults survived %d of %d\n", len(results.took), results.done)
	if *write && !t.Failed() {
		writeTable(t, results.took)
	}
}

// play does one row and prints how it went.
func (r row) play(t *testing.T, results *tally) {
	begin := time.Now()
	defer func() {
		took := time.Since(begin)
		verdict := fmt.Sprintf("survived (%.1f s)", took.Seconds())
		results.mu.Lock()
		defer results.mu.Unlock()
		results.done++
		if t.Failed() {
			verdict = fmt.Sprintf("NOT SURVIVED (%.1f s)", took.Seconds())
		} else {
			results.took[r.title()] = took
		}
		fmt.Printf("%-3s %s … %s\n", r.id, r.fault, verdict)
	}()
	hosts := shared.sound
	if r.breaks {
		hosts = shared.fragile
	}
	s := &scene{Service: stage.New(t, shared.Stage, "s", hosts)}
	r.do(s)
	if !t.Failed() {
		s.followsGitAgain()
	}
}
