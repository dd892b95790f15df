package rollout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/release"
)

// StepError is what went wrong with one step on one host.
type StepError struct {
	Host string
	Role string // empty for steps of the host itself
	Step string
	Err  error
}

func (e *StepError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Host, e.step(), PlainAt(e.Host, e.Err))
}
func (e *StepError) Unwrap() error { return e.Err }

// step is the step without the container that a verdict names again.
func (e *StepError) step() string {
	v, ok := errors.AsType[*health.Error](e.Err)
	if !ok {
		return e.Step
	}
	return strings.TrimSuffix(strings.TrimSuffix(e.Step, " "+v.Container), " of")
}

// Plain is an error without what was being done when a host or its engine did
// not answer: each step in between names the host once more.
func Plain(err error) error {
	if e, ok := errors.AsType[*ssh.ConnectError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*docker.TimeoutError](err); ok {
		return e
	}
	return err
}

// PlainAt is Plain for a sentence that has named the host.
func PlainAt(host string, err error) error {
	switch e := Plain(err).(type) {
	case *ssh.ConnectError:
		if e.Host == host {
			return e.Err
		}
		return e
	case *docker.TimeoutError:
		if e.Host == host {
			return &docker.TimeoutError{Call: e.Call, After: e.After}
		}
		return e
	default:
		return e
	}
}

// ErrProxyVerdict marks a reverse proxy's own word that a new container is not
// healthy.
var ErrProxyVerdict = errors.New("the proxy found the container unhealthy")

// Classify says whose fault an error is. Only what was seen of the release
// itself is a verdict: its container ended, or did not answer as it should.
// Everything else, silence above all, is the world's.
func Classify(err error) release.Class {
	if _, ok := errors.AsType[*health.Error](err); ok {
		return release.Verdict
	}
	if errors.Is(err, ErrProxyVerdict) || errors.Is(err, docker.ErrInvalid) {
		return release.Verdict
	}
	return release.World
}

// passing tells whether an error of an effect may be gone a moment later: a
// connection that broke, an engine that hung or restarted. What the engine or
// the registry has decided stays so.
func passing(err error) bool {
	decided := []error{
		docker.ErrNotFound, docker.ErrNameTaken, docker.ErrNoImage, docker.ErrImageNotFound, docker.ErrUnauthorized,
		docker.ErrTooManyRequests, docker.ErrStalled, docker.ErrDiskFull, docker.ErrTooOld, docker.ErrProtected,
		fs.ErrNotExist, fs.ErrPermission, context.Canceled,
	}
	return Classify(err) == release.World && !slices.ContainsFunc(decided, func(d error) bool { return errors.Is(err, d) })
}

// Passes tells whether any part of an error may be gone a moment later.
func Passes(err error) bool { return slices.ContainsFunc(flatten(err), passing) }

// Explain turns an error of a rollout into what people are told. Where several
// hosts failed, a verdict is shown before a fault of the world.
func Explain(err error) *release.Failure {
	step := worst(err)
	if step == nil {
		return &release.Failure{Class: Classify(err), Step: "roll out", Message: err.Error(), Next: next(err)}
	}
	f := &release.Failure{
		Class: Classify(step.Err), Step: step.step(), Host: step.Host, Role: step.Role,
		Message: PlainAt(step.Host, step.Err).Error(), Next: at(step.Host, next(step.Err)),
	}
	if v, ok := errors.AsType[*health.Error](step.Err); ok {
		f.Container, f.OOMKilled, f.Probes, f.Logs = v.Container, v.OOMKilled, v.Probes, v.Logs
		f.Message = v.Container + " " + v.Message
		if v.Exited {
			f.ExitCode = &v.ExitCode
		}
	}
	return f
}

// at names the host in a remedy that goes on without one.
func at(host, next string) string {
	if host == "" {
		return next
	}
	return strings.ReplaceAll(next, "cordon HOST`", "cordon "+host+"`")
}

func worst(err error) *StepError {
	var first *StepError
	for _, e := range flatten(err) {
		s, ok := errors.AsType[*StepError](e)
		if !ok {
			continue
		}
		if Classify(s.Err) == release.Verdict {
			return s
		}
		if first == nil {
			first = s
		}
	}
	return first
}

func flatten(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var list []error
		for _, e := range many.Unwrap() {
			list = append(list, flatten(e)...)
		}
		return list
	}
	return []error{err}
}

// next is the one thing to do about an error.
func next(err error) string {
	v, verdict := errors.AsType[*health.Error](err)
	switch {
	case verdict && v.Remedy != "":
		return v.Remedy
	case verdict && v.OOMKilled:
		return "give the role more memory (options: memory) or find what it used it for, then push"
	case verdict && v.Exited:
		return "read the log lines above, mend the app and push; `fairlead retry` tries the same commit again"
	case verdict:
		return "make the health check answer 2xx in time (proxy.healthcheck.path, proxy.app_port, deploy_timeout) and push; `fairlead retry` tries the same commit again"
	case errors.Is(err, docker.ErrUnauthorized):
		return "check registry.username and registry.password"
	case errors.Is(err, docker.ErrImageNotFound):
		return "push the image, or correct image: in deploy.yml"
	case errors.Is(err, docker.ErrDiskFull):
		return "free disk space on the host; Fairlead tries again by itself"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, docker.ErrUnavailable):
		return "check that the host is up and its engine answers; `fairlead host cordon HOST` goes on without it; Fairlead tries again by itself"
	}
	return nextOfWorld(err)
}
