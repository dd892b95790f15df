// Package host ties what is needed to work on one server: its Engine, its
// files and a way to dial from it, over one SSH connection or none.
//
// Lives here: which way leads to which door, and the pool of hosts. May not
// live here: SSH (host/ssh), the Engine API (host/docker), files (host/files),
// and what any of it is used for.
package host
