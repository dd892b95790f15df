package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// shape changes what reaches the machine and what leaves it. The rules sit
// before and after forwarding, so they hold for published container ports too.
// Lost packets are silent: open connections hang instead of failing.
func shape(verb string, args []string) error {
	if verb == "heal" {
		return iptables("-t raw -F", "-t mangle -F")
	}
	if verb == "noroute" {
		return dropDefaultRoute()
	}
	dev, err := device()
	if err != nil {
		return err
	}
	switch {
	case verb == "cut":
		return iptables("-t raw -I PREROUTING -j DROP -i "+dev, "-t raw -I OUTPUT -j DROP -o "+dev, "-t mangle -I POSTROUTING -j DROP -o "+dev)
	case verb == "lossy" && len(args) == 1:
		return iptables("-t raw -I PREROUTING -j DROP -m statistic --mode random --probability " + args[0] + " -i " + dev)
	}
	return errUsage
}

func iptables(rules ...string) error {
	for _, rule := range rules {
		args := append([]string{"-w", "5"}, strings.Fields(rule)...)
		if out, err := exec.Command("/usr/sbin/iptables", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("iptables %s: %w: %s", rule, err, out)
		}
	}
	return nil
}

// device is the interface with the machine's own address. It is looked up each
// time: a cable that was pulled and plugged in again is another interface.
func device() (string, error) {
	own, err := netip.ParseAddr(os.Getenv("FLEET_ADDR"))
	if err != nil {
		return "", fmt.Errorf("read FLEET_ADDR: %w", err)
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == own {
				return i.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no interface has the address %s: is the cable plugged in?", own)
}
