package outbox

import (
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
)

func TestDecide(t *testing.T) {
	for _, test := range []struct {
		name   string
		f      failure
		random float64
		want   verdict
	}{
		{"the first failure is tried again soon", failure{failures: 1}, 1, verdict{lane: time.Second}},
		{"jitter takes off up to half", failure{failures: 1}, 0, verdict{lane: time.Second / 2}},
		{"it doubles", failure{failures: 5}, 1, verdict{lane: 16 * time.Second}},
		{"up to five minutes", failure{failures: 10}, 1, verdict{lane: 5 * time.Minute}},
		{"and stays there for years", failure{failures: 1 << 20, lasts: time.Hour}, 1, verdict{lane: 5 * time.Minute, alert: true}},
		{"ten minutes are told", failure{failures: 3, lasts: 10 * time.Minute}, 1, verdict{lane: 4 * time.Second, alert: true}},
		{"nine are not", failure{failures: 3, lasts: 9 * time.Minute}, 1, verdict{lane: 4 * time.Second}},
		{"Retry-After is for the channel and without jitter", failure{failures: 9, asked: 7 * time.Second}, 0,
			verdict{lane: 7 * time.Second, channel: 7 * time.Second}},
		{"a broken channel is told at once", failure{kind: notify.Broken, failures: 1, broken: 1}, 1,
			verdict{lane: time.Minute, channel: time.Minute, alert: true}},
		{"and asked ever more rarely", failure{kind: notify.Broken, failures: 1, broken: 40}, 1,
			verdict{lane: 15 * time.Minute, channel: 15 * time.Minute, alert: true}},
		{"but not before it wants", failure{kind: notify.Broken, broken: 1, asked: time.Hour}, 1,
			verdict{lane: time.Hour, channel: time.Hour, alert: true}},
		{"a refused message gets a second chance", failure{kind: notify.Refused, failures: 2}, 1, verdict{lane: 2 * time.Second}},
		{"but not a fourth", failure{kind: notify.Refused, failures: 3}, 1, verdict{lane: 4 * time.Second, alert: true, drop: true}},
	} {
		if got := decide(test.f, test.random); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
