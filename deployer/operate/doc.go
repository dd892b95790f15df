// Package operate does what people ask of a service that runs: commands in its
// containers, its logs, what is there, stop and start, locks, pruning, removal.
//
// All hosts are asked at once, over the connection that each has anyway. What
// changes anything is done under the service's lock. A host that cannot be
// reached is told of, and does not keep the others from answering.
//
// Lives here: the doing, by hand. May not live here: what should run (package
// plan), any decision about a release, how asks travel (package server).
package operate
