// Package process runs one command, or one file, of a repository as a process:
// on the machine that Fairlead runs on, or on a server over SSH. It has a
// deadline, its output is bounded, and nothing of it is left when it has ended.
//
//	here    fork, a group of its own ── deadline or end ── the group is killed, then
//	        whatever carries its mark in /proc
//	there   a constant program of ours in the login shell ◁── words, by its input ──
//	        the same, at that end; the end of the connection ends it, too
//
// No shell reads a word of the repository unless that word is a shell's own
// argument: on a server they come as data through the session's input.
//
// Lives here: how a process is started, watched and ended. May not live here:
// which are run, where, whether they may be, and what becomes of a failure.
package process
