// Command demo tells Fairlead's story on this machine: two real servers (as
// containers with an sshd and a Docker engine each), a registry, a Git server,
// and traffic that never stops while the version changes.
//
//	sudo go run ./internal/demo
//
// It stays until Ctrl-C, so that one can look around, and removes everything
// then. With ONCE=1 it ends after the last step: exit status 0 if the story
// came out as told, 1 if not. It needs Linux, root, Go and docker.io; whatever
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
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Getenv("ONCE") != ""); err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demo did not come out:", err)
		os.Exit(1)
	}
}

// run tells the story, waits for the end of ctx unless once is set, and
// removes everything in any case.
func run(ctx context.Context, out io.Writer, once bool) (err error) {
	s := &stage{out: out}
	defer func() { err = errors.Join(err, s.clear()) }()
	if err := tell(ctx, out, story(s)); err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(out, "\nInterrupted; cleaning up.")
		}
		return err
	}
	if once {
		return nil
	}
	s.invite()
	s.watch(ctx)
	return nil
}

// watch prints the traffic's count until ctx ends.
func (s *stage) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(s.out)
			return
		case <-tick.C:
			fmt.Fprintf(s.out, "\r  %s ", s.traffic.Count())
		}
	}
}
