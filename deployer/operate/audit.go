package operate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

const (
	auditLines = 50      // shown unless another number is asked for
	auditLimit = 1 << 20 // bytes up to which the log is written on by us
)

// auditFile is Kamal's log of what was done (Kamal 2.12, commands/auditor.rb),
// relative to the ssh user's home.
func auditFile(lane release.Lane) string { return ".kamal/" + lane.String() + "-audit.log" }

// audit tells the last lines of each host's audit log.
func (w *work) audit(ctx context.Context, hosts []string) error {
	n := cmp.Or(w.ask.Lines, auditLines)
	return w.each(ctx, hosts, func(ctx context.Context, h Host) error {
		src := operation.Source{Host: h.Name}
		text, err := h.Files.Read(ctx, auditFile(w.Lane()))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return w.warn(src, "there is no audit log")
		case errors.Is(err, files.ErrTooLarge):
			return w.warn(src, "%s is larger than 4 MiB; read it there", auditFile(w.Lane()))
		case err != nil:
			return err
		}
		lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		for _, l := range lines[max(0, len(lines)-n):] {
			if err := w.tell(operation.Told{Source: src, Line: &operation.Line{At: auditTime(l), Text: plain(l)}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// auditTime reads the time that an entry begins with, "[2026-11-23T10:00:00Z]".
func auditTime(line string) time.Time {
	rest, ok := strings.CutPrefix(line, "[")
	stamp, _, _ := strings.Cut(rest, "]")
	at, err := time.Parse(time.RFC3339, stamp)
	if !ok || err != nil {
		return time.Time{}
	}
	return at
}

// plain makes foreign text safe for a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// note adds an entry to a host's audit log, as Kamal does, under the lock. That
// it could not be written is nobody's reason to fail.
func (w *work) note(ctx context.Context, h Host, role, what string) {
	entry := fmt.Sprintf("[%s] [%s] [%s] %s\n", time.Now().UTC().Format(time.RFC3339), plain(cmp.Or(w.ask.Actor, "someone")), role, what)
	file := auditFile(w.Lane())
	old, err := h.Files.Read(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = nil, nil
	}
	if err == nil && len(old)+len(entry) <= auditLimit {
		err = h.Files.Write(ctx, file, append(bytes.Clone(old), entry...), 0o644)
	}
	if err != nil {
		w.Log.Warn("audit log not written", "host", h.Name, "service", w.Lane().String(), "error", err)
	}
}
