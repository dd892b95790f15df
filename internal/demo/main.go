// Command demo tells Fairlead's story on this machine: two real servers (as
// containers with an sshd and a Docker engine each), a registry, a Git server,
// and traffic that never stops while the version changes.
//
//	sudo go run ./internal/demo
//
// It stays until Ctrl-C, so that one can look around, and removes everything
// then. With ONCE=1 it ends after the last step: exit status 0 if the story
// came out as told, 1 if not, 130 if it was interrupted before. It needs Linux, root, Go and docker.io; whatever
// else the servers run is unpacked into a temporary folder, never installed.
//
// Lives here: the story (story.go) and its stage; its actors are fleet/actor. May not live
// here: anything the product needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/fairlead-deploy/fairlead/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Stdout, os.Getenv("ONCE") != "")
	switch {
	case errors.Is(err, errInterrupted):
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nThe demo did not come out:", err)
		os.Exit(1)
	}
}

// errInterrupted ends a story that somebody did not want to hear to its end;
// nothing of it is left.
var errInterrupted = errors.New("interrupted")

// run tells the story, waits for the end of ctx unless once is set, and
// removes everything in any case.
func run(ctx context.Context, out io.Writer, once bool) error {
	s := &stage{out: out}
	told := tell(ctx, out, story(s))
	if told == nil && !once {
		s.invite()
		s.watch(ctx)
	}
	interrupted := ctx.Err() != nil
	if interrupted {
		fmt.Fprintln(out, "\nInterrupted; removing all of it.")
	}
	if err := s.clear(); err != nil {
		return errors.Join(told, err)
	}
	if interrupted {
		fmt.Fprintln(out, "Nothing of it is left.")
	}
	if told != nil && interrupted {
		return errInterrupted
	}
	return told
}

// heardOf is what the webhook said, on a line.
func heardOf(ev release.Event) string {
	what := string(ev.Kind)
	if r := ev.Release; r != nil {
		it := r.Means().Short()
		if r.Asked != "" && r.Target == nil { // a version of nobody knows which commit
			it = fmt.Sprintf("%-7s", r.Version)
		}
		what = it + "  " + strings.ReplaceAll(string(r.Status), "_", " ")
	}
	return fmt.Sprintf("  %s  %-21s %s\n", ev.At.Local().Format(time.TimeOnly), what, ev.Message)
}

// watch tells what the daemon's webhook says, and counts the requests until ctx
// ends: each second on a terminal, else once at the end.
func (s *stage) watch(ctx context.Context) {
	heard := len(s.inbox.Events())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	f, ok := s.out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	for {
		select {
		case <-ctx.Done():
			if !terminal {
				fmt.Fprintf(s.out, "  %s\n", s.traffic.Count())
			}
			return
		case <-tick.C:
			if terminal {
				fmt.Fprint(s.out, "\r\x1b[K") // what is told takes the place of the count
			}
			events := s.inbox.Events()
			for _, ev := range events[heard:] {
				fmt.Fprint(s.out, heardOf(ev))
			}
			heard = len(events)
			if terminal {
				fmt.Fprintf(s.out, "  %s ", s.traffic.Count())
			}
		}
	}
}
