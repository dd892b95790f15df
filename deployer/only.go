package deployer

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/record"
)

// asBefore limits an attempt that nobody commanded to the roles and hosts on
// which a person put this very commit last: what was left out follows with the
// next commit, or when somebody asks for it.
func (a *attempt) asBefore(ctx context.Context) error {
	if commanded(a.s.req) || a.target != nil || len(a.good) == 0 || a.good[0].Only == "" || a.good[0].Revision.SHA != a.r.Revision.SHA {
		return nil
	}
	k, err := record.Read(ctx, a.d.o.Memory.Effects, a.good[0].ID)
	if err != nil || k.Request == nil || k.Request.Chooses() {
		return err
	}
	if a.dry {
		a.rest = fmt.Sprintf("only %s was asked for; the rest follows with the next commit, or `fairlead deploy %s`", a.good[0].Only, a.r.Lane)
		return nil
	}
	a.s.req.Roles, a.s.req.Hosts = k.Request.Roles, k.Request.Hosts
	return nil
}
