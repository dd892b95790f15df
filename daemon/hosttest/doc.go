// Package hosttest is servers inside the test's process, whole enough for a
// rollout by hundreds: each an sshd (package sshtest), a container engine and a
// reverse proxy that know their tables only, and apps that answer when they
// have booted.
//
// Lives here: what such a server does when all is well, at the distance and
// with the limits of a real one. May not live here: faults (package fleettest
// has them, in virtual time), or anything that a program imports.
package hosttest
