// Package flags is which flags docker run has, for `options:` of deploy.yml.
//
// Lives here: their names. May not live here: what a value of one may be.
package flags

import "strings"

// All are docker run's flags that a container may be given (Docker CLI
// reference, docker run).
func All() []string {
	return strings.Fields(`add-host annotation blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent
		cgroupns cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus
		cpuset-cpus cpuset-mems device device-cgroup-rule device-read-bps device-read-iops device-write-bps
		device-write-iops dns dns-option dns-search domainname entrypoint env expose gpus group-add health-cmd
		health-interval health-retries health-start-interval health-start-period health-timeout hostname init
		interactive ip ip6 ipc isolation kernel-memory label link link-local-ip log-driver log-opt mac-address
		memory memory-reservation memory-swap memory-swappiness mount network network-alias no-healthcheck
		oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all read-only restart
		runtime security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit user userns
		uts volume volume-driver volumes-from workdir`)
}

// Own tells that a flag of docker run is not for a container to be given, and
// why.
func Own(flag string) (why string, ok bool) {
	switch flag {
	case "name", "detach", "rm", "pull", "cidfile", "attach", "sig-proxy", "detach-keys":
		return "Fairlead decides it", true
	case "env-file":
		return "write env: with clear: and secret:", true
	case "label-file":
		return "write labels:", true
	case "disable-content-trust", "quiet", "help", "use-api-socket":
		return "it belongs to docker's command line", true
	case "net", "network-mode":
		return `write network`, true
	}
	return "", false
}
