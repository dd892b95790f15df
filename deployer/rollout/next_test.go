package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func TestEveryFaultOfTheWorldSaysWhatToDo(t *testing.T) {
	for word, err := range map[string]error{
		"fairlead host trust --replace web1": &ssh.HostKeyChangedError{Host: "web1"},
		"fairlead host trust web1":           &ssh.UnknownHostKeyError{Host: "web1"},
		"fairlead lock release":              &lock.HeldError{Host: "web1", Foreign: true},
		"another Fairlead":                   &lock.HeldError{Host: "web1"},
		"fairlead secret set":                &secret.MissingError{Names: []string{"A"}},
		"fairlead key":                       ssh.ErrAuth,
		"fairlead host cordon":               ssh.ErrUnreachable,
		"is up":                              ssh.ErrLost,
		"docker info":                        ssh.ErrRefused,
		"sshd_config":                        ssh.ErrProhibited,
		"free disk space":                    docker.ErrDiskFull,
		"upgrade Docker":                     docker.ErrTooOld,
		"may pull more":                      docker.ErrTooManyRequests,
		"way from the host":                  docker.ErrStalled,
		"fairlead plan":                      docker.ErrNameTaken,
		"removed the image":                  docker.ErrNoImage,
		"its own container":                  docker.ErrProtected,
		"the registry answers":               registry.ErrUnavailable,
		"registry.username":                  registry.ErrUnauthorized,
		"the host is up":                     context.DeadlineExceeded,
		"fairlead doctor":                    errors.New("something that nobody foresaw"),
	} {
		for name, wrapped := range map[string]error{
			"alone": fmt.Errorf("connect to web1: %w", err), "in a step": &rollout.StepError{Host: "web1", Step: "pull", Err: err},
		} {
			if f := rollout.Explain(wrapped); !strings.Contains(f.Next, word) {
				t.Errorf("%s, %s: next %q does not say %q", err, name, f.Next, word)
			}
		}
	}
}
