package backup

import (
	"time"

	spec "github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// late is how long after its time a dump is still made up for: a daemon that
// was away over night does not dump in the middle of the day what it missed for
// a week, but one that was restarted does.
const late = time.Hour

// Due tells whether a dump is due now, where one was taken or tried last.
// started is when this began to look, and counts where nothing is known before.
func Due(how spec.Backup, last, started, now time.Time, zone *time.Location) bool {
	if how.Schedule == "" {
		return false
	}
	c, err := schedule.ParseCron(how.Schedule, zone)
	if err != nil || c.IsZero() {
		return false // the file was checked when it was read
	}
	from := last
	if from.IsZero() || from.Before(started.Add(-late)) {
		from = started.Add(-late)
	}
	next := c.Next(from)
	if last.IsZero() { // of one that was never dumped, nothing was missed
		next = c.Next(started)
	}
	return !next.IsZero() && !next.After(now)
}
