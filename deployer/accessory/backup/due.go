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

// Next tells when a dump is due, where one was taken or tried last; the zero
// time is never. started is when this began to look, and counts where nothing is
// known before.
func Next(how spec.Backup, last, started time.Time, zone *time.Location) time.Time {
	if how.Schedule == "" {
		return time.Time{}
	}
	c, err := schedule.ParseCron(how.Schedule, zone)
	if err != nil || c.IsZero() {
		return time.Time{} // the file was checked when it was read
	}
	from := last
	if from.IsZero() || from.Before(started.Add(-late)) {
		from = started.Add(-late)
	}
	if last.IsZero() { // of one that was never dumped, nothing was missed
		from = started
	}
	return c.Next(from)
}
