// Package engine speaks the part of the Engine API by which images are made
// and leave an engine: builds by its BuildKit, pushes to a registry, and the
// stream of `docker save`.
//
// It needs the engine's socket and nothing else: no docker program and no
// plugin on the machine that builds. The context goes as a tar; what a build
// may ask back (credentials for base images, build secrets, an ssh agent) is
// answered over a session (moby, api/session; buildkit, session/*), which is
// gRPC in the other direction over one hijacked connection. Nothing secret is
// ever part of a command line, of an image or of a query.
//
// Lives here: the wire. May not live here: what to build of which commit, and
// whose fault it is that a build failed (deployer/build).
package engine
