// Package docker is a small client of the Engine API (Docker 19.03 and later,
// Podman's service): exactly the calls that Fairlead makes, each idempotent,
// with a deadline, bounded answers and typed errors.
//
// Lives here: the translation between package container's nouns and the SDK's
// types, which stop here. May not live here: any decision about containers, and
// any knowledge of SSH; a connection comes from the dial function given to New.
package docker
