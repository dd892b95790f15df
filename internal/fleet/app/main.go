// Command app is the application that tests and the demo deploy: a small web
// server, or a worker, whose behaviour is set by variables.
//
//	PORT=80            where it listens
//	BIND=127.0.0.1     at this address only
//	VERSION=v1         what /version answers
//	MODE=worker        no port at all; a line per second on standard output
//	MODE=front         a reverse proxy that finds its backend by docker labels
//	BOOT_DELAY=3s      it listens only after this time
//	HEALTH=ok          what /up does: ok, fail (500), flap (every second request
//	                   fails), hang (no answer), redirect (302 to /version)
//	NEEDS=/state/db    /up is this file, and fails where it is gone
//	SICK_AFTER=4s      /up fails from this time on, while the other pages answer
//	EXIT=3             it ends at once with this code
//	DIE_AFTER=5s       it ends with code 7 after this time
//	EAT_MB=512         it takes this much memory, to meet its limit
//	IGNORE_TERM=1      SIGTERM does nothing
//	DRAIN=10s          how long SIGTERM waits for requests under way
//
// `app health [PATH]` asks the running one and exits 0 or 1, for HEALTHCHECK.
// `app task FOR CODE [WORDS]` is a program that ends by itself.
// `app cat PATH` prints a file, byte for byte.
// `app typed` says whether it is on a terminal, and repeats what is typed.
// Called by the name rails it knows some of Rails' words: `rails jobs:…` is a
// worker, `rails server` the web server, and any other (`rails db:migrate`) is
// said, and the end.
//
// Lives here: behaviour that a deployment can meet. May not live here: anything
// of Fairlead's.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "health" {
		os.Exit(health(args[1:]))
	}
	if len(args) > 0 && args[0] == "typed" {
		os.Exit(typed())
	}
	if len(args) > 1 && args[0] == "task" {
		os.Exit(task(args[1:]))
	}
	if len(args) == 2 && args[0] == "cat" {
		os.Exit(cat(args[1]))
	}
	mode := os.Getenv("MODE")
	if filepath.Base(os.Args[0]) == "rails" && len(args) > 0 {
		switch {
		case args[0] == "server":
		case strings.HasPrefix(args[0], "jobs:"):
			mode = "worker"
		default:
			fmt.Println("rails", strings.Join(args, " "))
			return
		}
	}
	code, err := run(mode)
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
	}
	os.Exit(code)
}

func run(mode string) (code int, err error) {
	k, err := knobsFrom(os.Getenv)
	k.worker = mode == "worker"
	if err != nil {
		return 2, err
	}
	handler := routes(k)
	if mode == "front" {
		handler = front()
	}
	fmt.Printf("app %s booting\n", k.version)
	if k.exit != 0 {
		return k.exit, fmt.Errorf("told to end with code %d", k.exit)
	}
	eaten := eat(k.eatMB)
	stop := make(chan os.Signal, 1)
	if k.ignoreTerm {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	}
	var die <-chan time.Time
	if k.dieAfter > 0 {
		die = time.After(k.dieAfter)
	}
	select {
	case <-time.After(k.bootDelay):
	case <-stop:
		return 0, nil
	}
	failed := make(chan error, 1)
	srv := &http.Server{Addr: k.bind + ":" + k.port, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if k.worker {
		go work(k)
	} else {
		go func() { failed <- srv.ListenAndServe() }()
	}
	fmt.Printf("app %s ready, %d MiB taken\n", k.version, len(eaten)>>20)
	select {
	case err := <-failed:
		return 1, fmt.Errorf("listen: %w", err)
	case <-die:
		return 7, errors.New("told to die")
	case <-stop:
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), k.drain, fmt.Errorf("requests still under way after %s", k.drain))
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return 1, fmt.Errorf("drain: %w", context.Cause(ctx))
	}
	fmt.Printf("app %s stopped\n", k.version)
	return 0, nil
}

// work is what a worker does until the process ends.
func work(k knobs) {
	for n := 1; ; n++ {
		fmt.Printf("app %s did job %d\n", k.version, n)
		time.Sleep(time.Second)
	}
}

// eat takes memory for real: a page that was never written costs nothing.
func eat(mb int) []byte {
	taken := make([]byte, mb<<20)
	for i := 0; i < len(taken); i += 4096 {
		taken[i] = 1
	}
	return taken
}

type knobs struct {
	port, bind, version, health string
	worker, ignoreTerm          bool
	bootDelay, dieAfter, drain  time.Duration
	sickAfter                   time.Duration
	needs                       string
	exit, eatMB                 int
}

func knobsFrom(env func(string) string) (knobs, error) {
	or := func(name, fallback string) string {
		if v := env(name); v != "" {
			return v
		}
		return fallback
	}
	var errs []error
	duration := func(name, fallback string) time.Duration {
		d, err := time.ParseDuration(or(name, fallback))
		errs = append(errs, err)
		return d
	}
	number := func(name string) int {
		n, err := strconv.Atoi(or(name, "0"))
		errs = append(errs, err)
		return n
	}
	k := knobs{
		port: or("PORT", "80"), bind: env("BIND"), needs: env("NEEDS"), version: or("VERSION", "unknown"), health: or("HEALTH", "ok"),
		ignoreTerm: env("IGNORE_TERM") != "",
		bootDelay:  duration("BOOT_DELAY", "0s"), dieAfter: duration("DIE_AFTER", "0s"), drain: duration("DRAIN", "30s"),
		sickAfter: duration("SICK_AFTER", "0s"), exit: number("EXIT"), eatMB: number("EAT_MB"),
	}
	switch k.health {
	case "ok", "fail", "flap", "hang", "redirect":
	default:
		errs = append(errs, fmt.Errorf("HEALTH=%s: say ok, fail, flap, hang or redirect", k.health))
	}
	return k, errors.Join(errs...)
}
