// Command bench measures what Fairlead promises about speed and cost, on real
// servers (package fleet), and fails where a promise is broken.
//
//	sudo go run ./internal/bench            all rows
//	sudo go run ./internal/bench -rows floor
//
// Counts and ratios hold on any machine. Times are printed with the machine
// and the load on it, and fail only at five times the figure. docs/performance.md
// says what each row means.
//
// Lives here: the rows and what they are measured with. May not live here:
// anything that the product needs, and checks of behaviour (internal/e2e).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rows := flag.String("rows", "", "a regular expression: only rows whose name it matches")
	flag.Parse()
	wanted, err := regexp.Compile(*rows)
	if err == nil {
		err = run(ctx, os.Stdout, wanted)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nbench:", err)
		os.Exit(1)
	}
}

// row is one thing that is measured.
type row struct {
	name  string
	hosts int // that it needs
	do    func(context.Context, *bench, *report) error
}

// rowTimeout bounds each row.
const rowTimeout = 10 * time.Minute

func rows() []row {
	return []row{
		{"size", 0, size},
		{"poll", 1, polls},
		{"scale", 1, scales},
		{"reconcile", 1, reconciles},
		{"wire", 1, roundTrips},
		{"floor-1", 1, againstFloor(1)},
		{"floor-2", 2, againstFloor(2)},
		{"floor-4", 4, againstFloor(4)},
		{"floor-8", 8, againstFloor(8)},
	}
}

func run(ctx context.Context, out io.Writer, wanted *regexp.Regexp) (err error) {
	var todo []row
	hosts := 0
	for _, r := range rows() {
		if wanted.MatchString(r.name) {
			todo, hosts = append(todo, r), max(hosts, r.hosts)
		}
	}
	b, err := open(ctx, hosts)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, machine())
	rep := &report{out: out}
	for _, r := range todo {
		rep.begin(r.name)
		if err := r.within(ctx, b, rep); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return rep.verdict()
}

func (r row) within(ctx context.Context, b *bench, rep *report) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rowTimeout, fmt.Errorf("it took over %s", rowTimeout))
	defer cancel()
	return r.do(ctx, b, rep)
}
