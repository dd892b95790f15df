package rollout

import (
	"errors"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// again is how a remedy for a fault of the world ends: nobody has to ask.
const again = "; Fairlead tries again by itself"

// nextOfWorld is what to do about a fault of the world. There is always
// something to say, if only that it is tried again.
func nextOfWorld(err error) string {
	if e, ok := errors.AsType[*ssh.HostKeyChangedError](err); ok {
		return fmt.Sprintf("if %s was installed anew: `fairlead host trust --replace %[1]s`; else somebody may be listening in", e.Host)
	}
	if e, ok := errors.AsType[*ssh.UnknownHostKeyError](err); ok {
		return fmt.Sprintf("`fairlead host trust %s`", e.Host) + again
	}
	if e, ok := errors.AsType[*lock.HeldError](err); ok {
		if e.Foreign {
			return "`fairlead lock release`, when nobody deploys" + again
		}
		return "wait: another Fairlead is at work on " + e.Host + again
	}
	if _, ok := errors.AsType[*secret.MissingError](err); ok {
		return "`fairlead secret set NAME`, or put it where the message says" + again
	}
	for _, known := range remedies() {
		if errors.Is(err, known.err) {
			return known.next
		}
	}
	return "`fairlead doctor` looks for the cause" + again
}

type remedy struct {
	err  error
	next string
}

func remedies() []remedy {
	engine := "check the engine there: `docker info`, journalctl -u docker"
	return []remedy{
		{docker.ErrTooManyRequests, "wait, or log in to the registry with an account that may pull more" + again},
		{docker.ErrStalled, "check the way from the host to the registry" + again},
		{docker.ErrTooOld, "upgrade Docker on the host" + again},
		{docker.ErrProtected, "deploy this service from another machine: Fairlead never ends its own container"},
		{docker.ErrNameTaken, "see who made the container that has the name: `fairlead plan` shows what is there" + again},
		{docker.ErrNoImage, "something removed the image in the middle; nothing is to be done" + again},
		{docker.ErrNotFound, "something was removed in the middle; nothing is to be done" + again},
		{lock.ErrLost, "nothing is to be done: another had the lock, or the host was silent for too long" + again},
		{lock.ErrYoung, "nothing is to be done: somebody is just taking the lock" + again},
		{ssh.ErrAuth, "put what `fairlead key` shows into ~/.ssh/authorized_keys of the user there" + again},
		{ssh.ErrProhibited, "allow forwarding in the host's sshd_config" + again},
		{ssh.ErrUnreachable, "check that the host is up; `fairlead host cordon HOST` goes on without it" + again},
		{ssh.ErrLost, "check that the host is up; `fairlead host cordon HOST` goes on without it" + again},
		{ssh.ErrRefused, engine + again},
		{registry.ErrUnauthorized, "check registry.username and registry.password" + again},
		{registry.ErrNotFound, "push the image, or correct image: in deploy.yml" + again},
		{registry.ErrTooManyRequests, "nothing is to be done: the registry asks to wait" + again},
		{registry.ErrUnavailable, "check that the registry answers" + again},
	}
}
