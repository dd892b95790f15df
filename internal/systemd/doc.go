// Package systemd speaks to the service manager that started the daemon, and
// holds the unit under which it is started.
//
// Lives here: sd_notify's protocol (a datagram to NOTIFY_SOCKET), and the
// unit's text. May not live here: when to say what, and how a unit is installed.
package systemd
