package webhook

import (
	_ "embed"
	"strings"
)

//go:embed post-receive.sh
var postReceive string

// PostReceive returns a Git hook for a bare repository: POSIX sh, to be saved
// as hooks/post-receive and made executable, that calls the daemon at url
// (http or https, without path) as the source, a Generic one, so that a plain
// git push deploys. It reads the secret from fairlead.secret in the same
// folder, which only its owner may read, needs openssl and curl or wget, waits
// five seconds at most, and never makes the push fail.
func PostReceive(url, source string) string {
	return strings.NewReplacer(
		"@URL@", quote(strings.TrimRight(url, "/")),
		"@SOURCE@", quote(source),
	).Replace(postReceive)
}

// quote makes one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
