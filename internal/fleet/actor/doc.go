// Package actor holds the parts that tests and the demo play on a fleet: the
// daemon as a process, somebody who pushes commits, visitors who never stop
// asking, and the receiver of the daemon's webhook.
//
// Lives here: what acts on Fairlead from outside, and counts what it meets. May
// not live here: what a story or a test expects of it, and anything that the
// product needs.
package actor
