package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// leeway is how many times its figure a time may take before it fails.
const leeway = 5

// report prints figures against their limits and keeps what broke one.
type report struct {
	out    io.Writer
	row    string
	broken []error
}

func (r *report) begin(row string) {
	r.row = row
	fmt.Fprintf(r.out, "\n%s (load %s)\n", row, load())
}

// count holds a count, size or ratio to its limit.
func (r *report) count(what string, got, limit float64, unit string) {
	r.line(what, fmt.Sprintf("%.4g %s", got, unit), fmt.Sprintf("%.4g", limit), got <= limit, got <= limit)
}

// time holds a time to its figure, loosely.
func (r *report) time(what string, got, figure time.Duration) {
	r.line(what, shown(got), shown(figure), got <= figure, got <= leeway*figure)
}

// note prints a figure that nothing is promised about.
func (r *report) note(what, got string) { fmt.Fprintf(r.out, "  %-58s %s\n", what, got) }

func (r *report) line(what, got, limit string, met, good bool) {
	word := "ok"
	switch {
	case !good:
		word = "BROKEN"
		r.broken = append(r.broken, fmt.Errorf("%s: %s is %s, at most %s is promised", r.row, what, got, limit))
	case !met:
		word = "missed"
	}
	fmt.Fprintf(r.out, "  %-58s %-16s ≤ %-8s %s\n", what, got, limit, word)
}

func (r *report) verdict() error {
	if err := errors.Join(r.broken...); err != nil {
		return err
	}
	fmt.Fprintln(r.out, "\nall promises hold")
	return nil
}

func shown(d time.Duration) string {
	return fmt.Sprintf("%.4g ms", float64(d.Microseconds())/1000)
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d × %s, Linux %s, %s", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version())
}

// load is what else the machine does: the run queue's average of one minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// median of durations; none is zero.
func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// spread shows a median with its range.
func spread(all []time.Duration) string {
	return fmt.Sprintf("%s (%s – %s)", shown(median(all)), shown(slices.Min(all)), shown(slices.Max(all)))
}
