package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestOnlyWhatWasSeenOfTheReleaseIsAVerdict has every kind of error that a
// rollout can end with.
func TestOnlyWhatWasSeenOfTheReleaseIsAVerdict(t *testing.T) {
	verdicts := []error{
		&health.Error{Container: "shop-web-v2", Message: "exited with code 1", Exited: true, ExitCode: 1},
		&health.Error{Container: "shop-web-v2", Message: "ran out of memory", OOMKilled: true},
		&health.Error{Container: "shop-web-v2", Message: "was not healthy after 30 s"},
		rollout.ErrProxyVerdict, docker.ErrInvalid,
	}
	world := []error{
		docker.ErrNotFound, docker.ErrNameTaken, docker.ErrNoImage, docker.ErrInUse, docker.ErrImageNotFound, docker.ErrUnauthorized,
		docker.ErrTooManyRequests, docker.ErrStalled, docker.ErrDiskFull, docker.ErrUnavailable, docker.ErrTooOld, docker.ErrProtected,
		&docker.TimeoutError{Call: "start", Host: "a", After: "30s"},
		ssh.ErrUnreachable, ssh.ErrAuth, ssh.ErrLost, ssh.ErrRefused, ssh.ErrProhibited, ssh.ErrClosed, &ssh.UnknownHostKeyError{Host: "a"},
		registry.ErrNotFound, registry.ErrUnauthorized, registry.ErrTooManyRequests, registry.ErrUnavailable, registry.ErrBadReference,
		lock.ErrLost, lock.ErrYoung, &lock.HeldError{Host: "a", By: "Ana", Foreign: true}, health.ErrNoDoor,
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, context.Canceled, context.DeadlineExceeded, errors.New("anything else"),
	}
	classed := func(list []error, want release.Class) {
		for _, err := range list {
			wrapped := fmt.Errorf("start shop-web-v2 on a: %w", err)
			if got := rollout.Classify(wrapped); got != want {
				t.Errorf("%v is of class %s, want %s", err, got, want)
			}
			told := rollout.Explain(errors.Join(&rollout.StepError{Host: "b", Step: "pull", Err: docker.ErrStalled}, &rollout.StepError{Host: "a", Step: "start", Err: wrapped}))
			if told.Class != want || want == release.Verdict && told.Host != "a" {
				t.Errorf("beside a fault of the world %v is told as %s on %s", err, told.Class, told.Host)
			}
		}
	}
	classed(verdicts, release.Verdict)
	classed(world, release.World)
}
