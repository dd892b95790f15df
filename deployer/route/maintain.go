package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoRoute: the host's proxy does not know the service.
var ErrNoRoute = errors.New("the proxy has no such service")

// Pause answers a service's requests with 503 and a message, which may be
// empty, and drains those in flight.
func (d *Driver) Pause(ctx context.Context, service, message string, drain time.Duration) error {
	argv := []string{"kamal-proxy", "stop", service, "--drain-timeout", seconds(drain)}
	if message != "" {
		argv = append(argv, "--message", message)
	}
	return routed("stop route", d.run(ctx, drain+margin, argv))
}

// Serve ends what Pause began.
func (d *Driver) Serve(ctx context.Context, service string) error {
	return routed("resume route", d.run(ctx, time.Minute, []string{"kamal-proxy", "resume", service}))
}

func (d *Driver) run(ctx context.Context, limit time.Duration, argv []string) error {
	_, err := d.exec(ctx, limit, argv)
	return err
}

func routed(step string, err error) error {
	if exit, ok := errors.AsType[*ExitError](err); ok && strings.Contains(exit.Stderr, "not found") {
		return fmt.Errorf("%s: %w", step, ErrNoRoute)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}
