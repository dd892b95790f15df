package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Cut loses every packet to and from the machine, published ports of its
// containers included. It is silent: open connections hang. Heal ends it.
func (m *Machine) Cut(ctx context.Context) error { return m.net(ctx, "cut") }

// Lossy loses each packet to the machine with probability p, between 0 and 1.
// Heal ends it.
func (m *Machine) Lossy(ctx context.Context, p float64) error {
	return m.net(ctx, "lossy", strconv.FormatFloat(p, 'f', 4, 64))
}

// Heal ends Cut and Lossy.
func (m *Machine) Heal(ctx context.Context) error { return m.net(ctx, "heal") }

func (m *Machine) net(ctx context.Context, args ...string) error {
	if _, err := m.hostinit(ctx, append([]string{"net"}, args...)...); err != nil {
		return fmt.Errorf("%s %s: %w", args[0], m.Name, err)
	}
	return nil
}

// Unplug pulls the network cable: the interface is gone. Plug puts it back.
func (m *Machine) Unplug(ctx context.Context) error {
	return m.power(ctx, "unplug", "network", "disconnect", m.network, m.container)
}

// Plug puts the network cable back, with the same address.
func (m *Machine) Plug(ctx context.Context) error {
	if err := m.power(ctx, "plug", "network", "connect", "--ip", m.Addr, "--alias", m.Name, m.network, m.container); err != nil {
		return err
	}
	return m.net(ctx, "noroute") // the engine gave it a default route again
}

// Pause freezes every process of the machine, those in its containers
// included. Connections stay open and nothing answers. Resume ends it.
func (m *Machine) Pause(ctx context.Context) error {
	return m.power(ctx, "pause", "pause", m.container)
}

// Resume ends Pause.
func (m *Machine) Resume(ctx context.Context) error {
	return m.power(ctx, "resume", "unpause", m.container)
}

// Kill is a power cut: everything stops at once, the disk stays. Boot ends it.
func (m *Machine) Kill(ctx context.Context) error { return m.power(ctx, "kill", "kill", m.container) }

// Boot starts a machine after Kill and waits until its services answer.
func (m *Machine) Boot(ctx context.Context) error {
	if err := m.power(ctx, "boot", "start", m.container); err != nil {
		return err
	}
	return m.ready(ctx)
}

// Reboot shuts the machine down in order, starts it and waits until its
// services answer.
func (m *Machine) Reboot(ctx context.Context) error {
	if err := m.power(ctx, "reboot", "restart", "-t", "20", m.container); err != nil {
		return err
	}
	return m.ready(ctx)
}

func (m *Machine) power(ctx context.Context, verb string, args ...string) error {
	if _, err := docker(ctx, args...); err != nil {
		return fmt.Errorf("%s %s: %w", verb, m.Name, err)
	}
	return nil
}

// StopService stops one of the machine's services for good: "sshd" or "engine"
// on a host, "registry", and "sshd" or "http" on the Git server. Its ports then
// refuse connections. StartService ends it.
func (m *Machine) StopService(ctx context.Context, name string) error {
	return m.service(ctx, "stop", name)
}

// StartService starts a stopped service and waits until the machine is ready.
func (m *Machine) StartService(ctx context.Context, name string) error {
	if err := m.service(ctx, "start", name); err != nil {
		return err
	}
	return m.ready(ctx)
}

// FreezeService suspends a service: its ports accept and never answer.
// ThawService ends it.
func (m *Machine) FreezeService(ctx context.Context, name string) error {
	return m.service(ctx, "freeze", name)
}

// ThawService ends FreezeService.
func (m *Machine) ThawService(ctx context.Context, name string) error {
	return m.service(ctx, "thaw", name)
}

func (m *Machine) service(ctx context.Context, verb, name string) error {
	if _, err := m.hostinit(ctx, "service", verb, name); err != nil {
		return fmt.Errorf("%s %s of %s: %w", verb, name, m.Name, err)
	}
	return nil
}

// engine is the name of the Docker engine among a host's services.
const engine = "engine"

// StopEngine stops the host's Docker engine, and with it the host's containers;
// sshd still answers. StartEngine ends it.
func (h *Host) StopEngine(ctx context.Context) error { return h.StopService(ctx, engine) }

// StartEngine starts a stopped engine and waits until it answers.
func (h *Host) StartEngine(ctx context.Context) error { return h.StartService(ctx, engine) }

// FreezeEngine suspends the engine: its socket accepts and never answers,
// while the containers run on. ThawEngine ends it.
func (h *Host) FreezeEngine(ctx context.Context) error { return h.FreezeService(ctx, engine) }

// ThawEngine ends FreezeEngine.
func (h *Host) ThawEngine(ctx context.Context) error { return h.ThawService(ctx, engine) }

// filler is the file that FillDisk makes.
const filler = "/var/lib/docker/filler"

// FillDisk writes the host's disk full to the last byte. It needs
// Options.DiskMB, so that it is not this machine's disk. FreeDisk ends it.
func (h *Host) FillDisk(ctx context.Context) error {
	if !h.bounded {
		return fmt.Errorf("fill disk of %s: its disk is this machine's own; start the fleet with Options.DiskMB", h.Name)
	}
	_, err := h.Exec(ctx, "dd", "if=/dev/zero", "of="+filler, "bs=64k")
	if err == nil || !strings.Contains(err.Error(), "No space left") {
		return fmt.Errorf("fill disk of %s: it did not get full: %w", h.Name, err)
	}
	return nil
}

// FreeDisk ends FillDisk.
func (h *Host) FreeDisk(ctx context.Context) error {
	if _, err := h.Exec(ctx, "rm", "-f", filler); err != nil {
		return fmt.Errorf("free disk of %s: %w", h.Name, err)
	}
	return nil
}
