package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// upgrader hands the public sockets over to the program that is at this one's path by now.
type upgrader struct {
	instance string
	public   map[string]net.Listener
	hand     context.CancelCauseFunc // ends the serving of this process
	log      *slog.Logger

	mu   sync.Mutex
	next *successor // read after the serving has ended
}

// upgrade answers once the interim serves; this process then comes to its end by itself.
func (u *upgrader) upgrade(ctx context.Context) (control.About, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	about := control.About{Version: Version, Instance: u.instance}
	if u.next != nil {
		return about, control.Errorf(control.Conflict, "upgrade: one is under way")
	}
	s, err := bequeath(u.public)
	if err != nil {
		return about, control.Errorf(control.Internal, "upgrade: %v", err)
	}
	if err := s.prepare(ctx); err != nil {
		u.log.Error("proxy not upgraded, nothing was changed", "error", errors.Join(err, s.close()))
		return about, control.Errorf(control.Internal, "upgrade: %v; nothing was changed", err)
	}
	u.next = s
	u.hand(errHandover)
	return about, nil
}
