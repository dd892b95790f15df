// Package build makes the images of commits: by `builder:` of deploy.yml, from
// the tree of the exact commit, through the BuildKit of an engine (this
// machine's, or a remote builder's over SSH), and brings them to a registry
// or, where there is none, straight to the hosts.
//
// Lives here: what deploy.yml wants built and where, what a failed build means,
// and the steps in their order. May not live here: the Engine API
// (build/engine), which files are the context (build/tree), when to build
// (deployer), connections (daemon wires them).
package build
