package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// act does one of the verbs that name a machine.
func act(ctx context.Context, f *fleet.Fleet, verb string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: which host? %w", verb, errUsage)
	}
	name, args := args[0], args[1:]
	m, h := find(f, name)
	if m == nil {
		return fmt.Errorf("%s: there is no %s; `fleet status` lists what there is", verb, name)
	}
	if fault, ok := faults(m)[verb]; ok {
		return fault(ctx)
	}
	if verb == "lossy" && len(args) == 1 {
		p, err := strconv.ParseFloat(args[0], 64)
		if err != nil || p < 0 || p > 1 {
			return fmt.Errorf("lossy: %q is not between 0 and 1", args[0])
		}
		return m.Lossy(ctx, p)
	}
	if h == nil {
		return fmt.Errorf("%s %s: not a verb for this machine; %w", verb, name, errUsage)
	}
	return actOnHost(ctx, f, h, verb, args)
}

func actOnHost(ctx context.Context, f *fleet.Fleet, h *fleet.Host, verb string, args []string) error {
	switch verb {
	case "stop-engine":
		return h.StopEngine(ctx)
	case "start-engine":
		return h.StartEngine(ctx)
	case "freeze-engine":
		return h.FreezeEngine(ctx)
	case "thaw-engine":
		return h.ThawEngine(ctx)
	case "sshcount":
		connections, sessions, err := h.SSHCount(ctx)
		fmt.Printf("%d connections, %d sessions\n", connections, sessions)
		return err
	case "docker":
		out, err := h.Docker(ctx, args...)
		fmt.Print(out)
		return err
	case "ssh":
		if len(args) == 0 {
			fmt.Printf("ssh -i %s -o UserKnownHostsFile=%s root@%s\n", f.Key, f.KnownHosts, h.Addr)
			return nil
		}
		out, err := h.SSH(ctx, strings.Join(args, " "))
		fmt.Print(out)
		return err
	}
	return fmt.Errorf("%s: not a verb; %w", verb, errUsage)
}

func faults(m *fleet.Machine) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"cut": m.Cut, "heal": m.Heal, "unplug": m.Unplug, "plug": m.Plug, "pause": m.Pause, "resume": m.Resume,
		"kill": m.Kill, "boot": m.Boot, "reboot": m.Reboot,
	}
}

// find returns the machine with the name, and the host if it is one.
func find(f *fleet.Fleet, name string) (*fleet.Machine, *fleet.Host) {
	for _, h := range f.Hosts {
		if h.Name == name {
			return h.Machine, h
		}
	}
	for _, m := range []*fleet.Machine{f.RegistryMachine, f.GitMachine} {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, nil
}
