package rollout

import (
	"context"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// bootProxy makes the host's proxy run. The image of Fairlead's own is brought
// by the booting itself, from the program.
func bootProxy(ctx context.Context, h Host, s plan.BootProxy) error {
	if name := s.Run.Image; name != "" && !s.Present {
		if server, _, _ := strings.Cut(name, "/"); server != h.Auth.Server { // another registry's account says nothing here
			h.Auth = docker.Auth{}
		}
		at := strings.LastIndexByte(name, ':')
		if err := pull(ctx, h, plan.Image{Name: name[:at], Version: name[at+1:]}); err != nil {
			return err
		}
	}
	return h.Proxy.Boot(ctx, s.Run, s.Present)
}
