package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// What callers branch on. Every error of an Engine also names its host.
var (
	// ErrNotFound: no such container, network, volume, path or image.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another container has that name. The engine decides it at
	// once and for all callers, so creation is a compare-and-set.
	ErrNameTaken = errors.New("the name is taken by another container")
	// ErrNoImage: the image a container shall be made of is not on the host.
	ErrNoImage = errors.New("the image is not on the host")
	// ErrInUse: what shall be removed is used by a container.
	ErrInUse = errors.New("in use")
	// ErrImageNotFound: the registry has no such image, or shows none to us.
	ErrImageNotFound = errors.New("the registry has no such image")
	// ErrUnauthorized: the registry refused the credentials.
	ErrUnauthorized = errors.New("the registry refused the credentials")
	// ErrTooManyRequests: the registry limits how often we may pull. The
	// Engine API does not pass on when to come back.
	ErrTooManyRequests = errors.New("the registry limits our requests")
	// ErrStalled: a pull made no progress for PullStall.
	ErrStalled = errors.New("no progress")
	// ErrDiskFull: the host's disk has no room, or no inodes, left.
	ErrDiskFull = errors.New("the disk is full")
	// ErrUnavailable: the engine does not answer on its socket.
	ErrUnavailable = errors.New("the engine cannot be reached")
	// ErrTooOld: the engine speaks no API version of ours.
	ErrTooOld = errors.New("the engine is too old: Fairlead needs API 1.40 (Docker 19.03) or later; upgrade Docker on that host")
	// ErrInvalid: the engine refused a parameter.
	ErrInvalid = errors.New("the engine refused the request")
)

// translate turns what the SDK returned into an error that wraps one of the
// sentinels above where one fits. The class comes from the API's status code.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case isDiskFull(err.Error()):
		return classed(ErrDiskFull, err)
	case client.IsErrConnectionFailed(err):
		return classed(ErrUnavailable, err)
	case cerrdefs.IsNotFound(err):
		return classed(ErrNotFound, err)
	case cerrdefs.IsInvalidArgument(err):
		return classed(ErrInvalid, err)
	}
	return err
}

// translatePull classes what a pull ended with: by status code where the
// engine passes one on, else by the registry's own error code (OCI
// distribution spec, "Error Codes"), which engines print at the start of a
// message and give no other way.
func translatePull(err error) error {
	if err == nil {
		return nil
	}
	code := 0
	if detail, ok := errors.AsType[*jsonstream.Error](err); ok {
		code = detail.Code
	}
	text := strings.ToLower(err.Error())
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case isDiskFull(text):
		return classed(ErrDiskFull, err)
	case code == 429 || has("toomanyrequests", "too many requests"):
		return classed(ErrTooManyRequests, err)
	case code == 401 || code == 403 || cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err) ||
		has("unauthorized", "authentication required", "no basic auth credentials", "incorrect username or password"):
		return classed(ErrUnauthorized, err)
	case code == 404 || cerrdefs.IsNotFound(err) || has("manifest unknown", "manifest_unknown", "name unknown", "name_unknown"):
		return classed(ErrImageNotFound, err)
	}
	return translate(err)
}

// isDiskFull knows a full disk by the kernel's message for ENOSPC and EDQUOT,
// which engines quote inside a plain status 500.
func isDiskFull(text string) bool {
	return strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded")
}

// classed gives err the class of a sentinel and keeps its own text and chain.
func classed(class, err error) error { return fmt.Errorf("%w: %w", class, err) }

// onHost names the call and the host, and prefers the reason for which ctx
// ended over the transport's "context deadline exceeded".
func (e *Engine) onHost(ctx context.Context, call string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = cause
	}
	return fmt.Errorf("%s on %s: %w", call, e.host, err)
}

// A TimeoutError says that the engine did not answer one call in time.
type TimeoutError struct {
	Call, Host string // without a Host it is named elsewhere
	After      string // such as "30s"
}

// Error says what did not answer, where.
func (t *TimeoutError) Error() string {
	where := ""
	if t.Host != "" {
		where = " on " + t.Host
	}
	return fmt.Sprintf("%s: no answer from the engine%s within %s", t.Call, where, t.After)
}

// Timeout makes it a timeout for net.Error's users.
func (*TimeoutError) Timeout() bool { return true }

// Is makes it context.DeadlineExceeded too.
func (*TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
