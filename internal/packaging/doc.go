// Package packaging makes what a release consists of: archives, Debian
// packages and checksums around programs that were built.
//
// Lives here: these formats and what goes into them. The same input makes the
// same bytes: entries are sorted, belong to root and bear the release's time.
// May not live here: building (cmd/release), images (internal/image), and what
// an installation is like (internal/setup, internal/systemd).
package packaging
