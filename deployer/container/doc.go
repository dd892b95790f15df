// Package container says what a container is: the Spec that decides how it
// behaves, what was Observed of one on a host, and the Diff between the two,
// field by field.
//
// Lives here: nouns, their canonical form, and the reading of `docker run`
// flags into a Spec. May not live here: I/O, Engine SDK types, or any opinion
// on what a container should be; package deployer/host/docker reads and makes
// containers, package deployer/plan decides.
package container
