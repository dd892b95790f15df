// Package ssh keeps one SSH connection to a host: dialled on demand, watched
// by a keepalive, made anew after a loss, shared by all who use the host.
//
// Lives here: connections, host keys, authentication, forwarded channels and
// sessions. May not live here: Docker, files, or any command line but those
// that the callers in package deployer/host write as constants.
package ssh
