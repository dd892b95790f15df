// Package schedule knows when something is due: cron expressions with a time
// zone, intervals with jitter, and backoff.
//
// It computes times and never waits: no timer, no goroutine, no clock and no
// randomness of its own live here.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Cron is a parsed cron expression. Its zero value is never due.
type Cron struct {
	text  string
	times cron.Schedule
	zone  *time.Location
}

// ParseCron reads five fields (minute hour day-of-month month day-of-week),
// or @hourly, @daily, @weekly, @monthly, @yearly, @every DURATION. Times are of
// the zone, which must be given; an expression may name its own by beginning
// with "CRON_TZ=Europe/Berlin ".
func ParseCron(text string, zone *time.Location) (Cron, error) {
	if zone == nil {
		return Cron{}, fmt.Errorf("parse schedule %q: no time zone given", text)
	}
	expr := strings.TrimSpace(text)
	if named, rest, ok := cutZone(expr); ok {
		own, err := time.LoadLocation(named)
		if err != nil {
			return Cron{}, fmt.Errorf("parse schedule %q: %w; use a name such as Europe/Berlin", text, err)
		}
		zone, expr = own, rest
	}
	if expr == "" || strings.HasPrefix(expr, "CRON_TZ=") || strings.HasPrefix(expr, "TZ=") {
		return Cron{}, fmt.Errorf("parse schedule %q: it has no fields", text)
	}
	times, err := cron.ParseStandard(expr)
	if err != nil {
		return Cron{}, fmt.Errorf("parse schedule %q: %w; write five fields such as \"*/5 8-18 * * mon-fri\"", text, err)
	}
	// The parser gives time.Local to expressions without a zone.
	if s, ok := times.(*cron.SpecSchedule); ok {
		s.Location = zone
	}
	return Cron{text: text, times: times, zone: zone}, nil
}

func cutZone(expr string) (zone, rest string, ok bool) {
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if after, found := strings.CutPrefix(expr, prefix); found {
			zone, rest, _ = strings.Cut(after, " ")
			return zone, strings.TrimSpace(rest), true
		}
	}
	return "", expr, false
}

// Next returns the first due time after t, or the zero time when there is none
// within five years. A time that summer time skips is due at none or at the
// next; one that it repeats is due once or twice, as the fields say.
func (c Cron) Next(t time.Time) time.Time {
	if c.times == nil {
		return time.Time{}
	}
	return c.times.Next(t.In(c.zone))
}

// IsZero tells whether no expression was parsed.
func (c Cron) IsZero() bool { return c.times == nil }

// String returns the expression as written.
func (c Cron) String() string { return c.text }
