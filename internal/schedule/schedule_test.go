package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCronTimesAreOfTheZoneGiven(t *testing.T) {
	for _, c := range []struct{ expr, zone, after, want string }{
		{"30 9 * * *", "UTC", "2026-11-23T08:00:00Z", "2026-11-23T09:30:00Z"},
		{"30 9 * * *", "Europe/Berlin", "2026-11-23T08:00:00Z", "2026-11-23T08:30:00Z"},
		{"30 9 * * *", "Europe/Berlin", "2026-07-23T08:00:00Z", "2026-07-24T07:30:00Z"},
		{"CRON_TZ=America/New_York 0 12 * * *", "Europe/Berlin", "2026-11-23T08:00:00Z", "2026-11-23T17:00:00Z"},
		{"*/5 8-18 * * mon-fri", "UTC", "2026-11-20T18:55:00Z", "2026-11-23T08:00:00Z"},
		{"@hourly", "Asia/Kolkata", "2026-11-23T08:00:00Z", "2026-11-23T08:30:00Z"},
		{"@every 90s", "UTC", "2026-11-23T08:00:00Z", "2026-11-23T08:01:30Z"},
		// 02:30 does not exist in Berlin on 2026-03-29.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
	} {
		cron, err := schedule.ParseCron(c.expr, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		if got := cron.Next(at(t, c.after)); !got.Equal(at(t, c.want)) {
			t.Errorf("%s in %s after %s: %s, want %s", c.expr, c.zone, c.after, got.UTC().Format(time.RFC3339), c.want)
		}
	}
	if !(schedule.Cron{}).Next(at(t, "2026-11-23T08:00:00Z")).IsZero() {
		t.Error("no expression is due")
	}
}

func TestCronErrorsSayWhatToWrite(t *testing.T) {
	for _, expr := range []string{"", "often", "* * * *", "61 * * * *", "CRON_TZ=Nowhere/Else * * * * *", "CRON_TZ=UTC", "TZ=UTC ", "* * * * * *", "@sometimes"} {
		if _, err := schedule.ParseCron(expr, time.UTC); err == nil || !strings.Contains(err.Error(), "parse schedule") {
			t.Errorf("%q: %v", expr, err)
		}
	}
	if _, err := schedule.ParseCron("* * * * *", nil); err == nil {
		t.Error("no zone was taken for one")
	}
}

func TestJitterStaysWithinItsShare(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 9 * time.Second, 0.5: 10 * time.Second, 0.75: 10500 * time.Millisecond} {
		if got := schedule.Jitter(10*time.Second, 0.1, random); got != want {
			t.Errorf("jitter at %v = %v, want %v", random, got, want)
		}
	}
	if schedule.Jitter(0, 0.1, 0.9) != 0 {
		t.Error("no interval has jitter")
	}
}

func TestBackoffDoublesUpToItsCap(t *testing.T) {
	b := schedule.Backoff{Base: time.Second, Cap: 10 * time.Second}
	for n, want := range map[int]time.Duration{-1: 0, 0: 0, 1: 1, 2: 2, 3: 4, 4: 8, 5: 10, 6: 10, 1_000_000: 10} {
		want *= time.Second
		if low, high := b.After(n, 0), b.After(n, 0.999999); low != want/2 || high > want || (want > 0 && high < want-time.Millisecond) {
			t.Errorf("after %d: %v to %v, want %v to %v", n, low, high, want/2, want)
		}
	}
	if huge := (schedule.Backoff{Base: time.Hour, Cap: 1 << 62}).After(1_000, 0.5); huge <= 0 {
		t.Errorf("overflow: %v", huge)
	}
}

func FuzzACronExpressionThatIsReadLooksForward(f *testing.F) {
	for _, s := range []string{"*/5 8-18 * * mon-fri", "@every 1s", "@daily", "TZ=Asia/Tokyo 0 0 1 1 *", "0 0 30 2 *"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := schedule.ParseCron(text, time.UTC)
		if err != nil {
			return
		}
		if next := c.Next(now); !next.IsZero() && !next.After(now) {
			t.Errorf("%q is due %s", text, next)
		}
	})
}
