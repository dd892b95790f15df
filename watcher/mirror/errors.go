package mirror

import (
	"errors"
	"fmt"
	"time"
)

// What can be the matter with a repository. Test with errors.Is; the error
// itself is a *Trouble whose text a person can act on.
var (
	ErrRefMissing  = errors.New("branch missing")
	ErrEmpty       = errors.New("repository empty")
	ErrUnreachable = errors.New("unreachable")
	ErrNotFound    = errors.New("repository not found")
	ErrAuth        = errors.New("access refused")
	ErrHostKey     = errors.New("host key not trusted")
	ErrSHA256      = errors.New("sha256 repository")
	ErrUnsupported = errors.New("server not supported")
	ErrRedirect    = errors.New("redirect refused")
	ErrProtocol    = errors.New("broken answer")
	ErrTooBig      = errors.New("too big")
	ErrMoved       = errors.New("the ref moved meanwhile")
	ErrCorrupt     = errors.New("local copy corrupt")
	ErrAddress     = errors.New("address not usable")
	ErrNotRegular  = errors.New("not a regular file")
)

// Trouble is an error about a repository: its kind (one of the sentinels
// above), a sentence for people that ends with what to do, and the cause.
type Trouble struct {
	Kind  error
	Says  string
	Cause error
	// RetryAfter is how long the server asked to be left alone; 0: it did not.
	RetryAfter time.Duration
}

// Error returns "kind: sentence".
func (t *Trouble) Error() string { return t.Kind.Error() + ": " + t.Says }

// Unwrap returns the kind and the cause.
func (t *Trouble) Unwrap() []error {
	if t.Cause == nil {
		return []error{t.Kind}
	}
	return []error{t.Kind, t.Cause}
}

func trouble(kind error, format string, args ...any) *Trouble {
	return &Trouble{Kind: kind, Says: fmt.Sprintf(format, args...)}
}

// because is trouble with a cause that errors.Is can find.
func because(kind, cause error, format string, args ...any) *Trouble {
	return &Trouble{Kind: kind, Says: fmt.Sprintf(format, args...), Cause: cause}
}

// printable makes foreign bytes fit for one line of text: at most 200
// characters, control characters replaced.
func printable(s []byte) string {
	const most = 200
	out := make([]rune, 0, min(len(s), most))
	for _, r := range string(s) {
		if len(out) == most {
			out = append(out, '…')
			break
		}
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
