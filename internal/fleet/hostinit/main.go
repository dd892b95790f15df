// Command hostinit is process 1 of every machine of a test fleet (package
// fleet), and the command by which the fleet acts inside one.
//
//	hostinit boot host|registry|git      be process 1 of a machine
//	hostinit ready host|registry|git     wait until its services answer
//	hostinit service stop|start|freeze|thaw NAME
//	hostinit net cut|heal|lossy P|noroute
//	hostinit git-http                    Git's smart HTTP on port 80
//	hostinit names                       a resolver that knows no name
//
// Lives here: what must happen inside a machine, without any shell text. May
// not live here: knowledge of the outer engine, or of other machines.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Where things are inside a machine. The fleet mounts etcDir, read-only.
const (
	etcDir = "/fleet/etc" // host key, authorized_keys, registry.yml
	runDir = "/run/fleet" // NAME.pid and NAME.off of the services
	logDir = "/var/log"
)

// patience bounds every wait in here; the fleet's own deadline is shorter
// where a test says so, and ends the process.
const patience = 60 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hostinit:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("say boot ROLE, ready ROLE, service VERB NAME, net VERB, git-http or names")

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	verb, args := args[0], args[1:]
	switch {
	case verb == "boot" && len(args) == 1:
		return boot(args[0])
	case verb == "ready" && len(args) == 1:
		return ready(args[0])
	case verb == "service" && len(args) == 2:
		return control(args[0], args[1])
	case verb == "net" && len(args) >= 1:
		return shape(args[0], args[1:])
	case verb == "git-http" && len(args) == 0:
		return serveGit()
	case verb == "names" && len(args) == 0:
		return serveNames()
	}
	return errUsage
}
