// Package backup reads how an accessory is backed up: accessories.NAME.backup,
// a command or a map, and x-fairlead.accessories.NAME.backup, where Kamal shall
// be able to read the file.
//
// Lives here: the words and their checks. May not live here: taking a backup
// (deployer/accessory/backup).
package backup

import (
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/internal/schedule"
)

// Default is what is kept, and how long a dump may take, unless the file says.
const (
	DefaultKeep    = 7
	DefaultTimeout = time.Hour
)

// Backup is how an accessory is backed up. Its zero value is not at all.
type Backup struct {
	// Cmd is shell text that runs inside the accessory; what it prints is the
	// dump. "" is none.
	Cmd string
	// Restore is shell text that runs inside the accessory and reads a dump, ""
	// for none.
	Restore string
	// Schedule is a cron expression, "" for on demand only.
	Schedule string
	// Keep is how many dumps are kept.
	Keep int
	// Timeout is how long a dump or a restore may take.
	Timeout time.Duration
}

// IsZero tells that nothing is said.
func (b Backup) IsZero() bool { return b == Backup{} }

// Read reads a command, or a map with it, over what was read before.
func (b *Backup) Read(v schema.Value) {
	if b.IsZero() {
		b.Keep, b.Timeout = DefaultKeep, DefaultTimeout
	}
	text := func(to *string) func(schema.Value) {
		return func(v schema.Value) { *to = strings.TrimSpace(v.Text()) }
	}
	if v.Kind() != schema.Map {
		text(&b.Cmd)(v)
		return
	}
	v.Object(schema.Fields{
		"cmd": text(&b.Cmd), "restore": text(&b.Restore),
		"schedule": func(v schema.Value) {
			b.Schedule = v.Text()
			if _, err := schedule.ParseCron(b.Schedule, time.UTC); err != nil {
				v.Fail(`as in "0 3 * * *"`, "%q is no schedule: %v", b.Schedule, err)
			}
		},
		"keep": func(v schema.Value) { b.Keep = v.Int(1, 10000) },
		"timeout": func(v schema.Value) {
			if b.Timeout = v.Duration(); b.Timeout <= 0 {
				v.Fail("as in 1h", "must be above 0")
			}
		},
	})
	if b.Cmd == "" && b.Schedule != "" {
		v.Fail("as in cmd: pg_dump -U postgres shop", "a schedule needs a cmd")
	}
}

// Extend reads x-fairlead.accessories; of gives an accessory's, nil where there
// is none of that name.
func Extend(v schema.Value, names []string, of func(i int) *Backup) {
	v.Each(func(name string, value schema.Value) {
		for i, n := range names {
			if n == name {
				value.Object(schema.Fields{"backup": func(v schema.Value) { of(i).Read(v) }})
				return
			}
		}
		v.AtKey(name).Fail(schema.Suggest(name, names), "there is no accessory %q", name)
	})
}

// Shown is the backup as the resolved file shows it.
func (b Backup) Shown() any {
	if b.IsZero() {
		return nil
	}
	if b.Restore == "" && b.Schedule == "" && b.Keep == DefaultKeep && b.Timeout == DefaultTimeout {
		return b.Cmd
	}
	m := map[string]any{"cmd": b.Cmd, "keep": b.Keep, "timeout": b.Timeout.String()}
	for key, text := range map[string]string{"restore": b.Restore, "schedule": b.Schedule} {
		if text != "" {
			m[key] = text
		}
	}
	return m
}
