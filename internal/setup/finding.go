package setup

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// A Finding is one line of check and doctor.
type Finding struct {
	Subject string `json:"subject"` // "shop", "shop [production]", "web1.example.com"
	OK      bool   `json:"ok"`
	Text    string `json:"text"`
	Remedy  string `json:"remedy,omitempty"` // what to do; only where not OK
}

// String returns the line.
func (f Finding) String() string {
	word := "FAIL"
	if f.OK {
		word = "ok  "
	}
	line := fmt.Sprintf("%s %s: %s", word, f.Subject, f.Text)
	if f.Remedy != "" {
		line += " → " + f.Remedy
	}
	return strings.ReplaceAll(line, "\n", " | ")
}

// Findings are in the order of printing.
type Findings []Finding

// Failed tells whether one of them is not OK.
func (fs Findings) Failed() bool {
	for _, f := range fs {
		if !f.OK {
			return true
		}
	}
	return false
}

// WriteText writes a line for each.
func (fs Findings) WriteText(w io.Writer) error {
	for _, f := range fs {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	return nil
}

func (fs *Findings) ok(subject, format string, args ...any) {
	*fs = append(*fs, Finding{Subject: subject, OK: true, Text: fmt.Sprintf(format, args...)})
}

func (fs *Findings) fail(subject, remedy, format string, args ...any) {
	*fs = append(*fs, Finding{Subject: subject, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// failed adds an error with its remedy.
func (fs *Findings) failed(subject string, err error) {
	text, remedy := explain(err)
	*fs = append(*fs, Finding{Subject: subject, Text: text, Remedy: remedy})
}

// explain takes an error apart: what is wrong, and what to do. By the house's
// custom the latter follows the last semicolon of an error that a person meets.
func explain(err error) (text, remedy string) {
	if e, ok := errors.AsType[*ssh.UnknownHostKeyError](err); ok {
		return fmt.Sprintf("its host key is not known (%s %s)", e.KeyType, e.Fingerprint), "compare it with the server's, then `fairlead host trust " + e.Host + "`"
	}
	if e, ok := errors.AsType[*ssh.HostKeyChangedError](err); ok {
		return fmt.Sprintf("its host key has CHANGED (now %s %s; known before at %s): somebody may be listening in", e.KeyType, e.Fingerprint, e.KnownAt),
			"if it was installed anew: `fairlead host trust --replace " + e.Host + "`"
	}
	if errors.Is(err, ssh.ErrAuth) {
		return "the server accepted none of the keys", "add what `fairlead key` shows to the user's ~/.ssh/authorized_keys there"
	}
	if errors.Is(err, ssh.ErrUnreachable) {
		return err.Error(), "is it up, and is its address right? `fairlead host add NAME --address ADDRESS` says where it is"
	}
	if t, ok := errors.AsType[*mirror.Trouble](err); ok {
		return cut(t.Error())
	}
	return cut(err.Error())
}

func cut(s string) (text, remedy string) {
	if i := strings.LastIndex(s, "; "); i > 0 && !strings.Contains(s, "\n") {
		return s[:i], s[i+2:]
	}
	return s, ""
}
