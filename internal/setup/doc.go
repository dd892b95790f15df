// Package setup is what the commands do that get a newcomer going and tell a
// tired operator what is wrong: install, keys, host keys, repositories, check
// and doctor.
//
// Lives here: these commands' steps, findings and edits of fairlead.yml. May
// not live here: flags and exit codes (cmd/fairlead), wiring (daemon, whose
// Reach is used to look), and anything that changes a server.
package setup
