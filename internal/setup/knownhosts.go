package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// What is known of a host.
type trust int

const (
	unknown trust = iota
	known         // this very key
	changed       // another key
)

// standing tells what files know of the key that an address (host:port)
// showed, and where other keys of it stand.
func standing(files []string, address string, key ssh.PublicKey) (trust, []xknownhosts.KnownKey, error) {
	db, err := openKnownHosts(files)
	if err != nil {
		return unknown, nil, err
	}
	err = db.HostKeyCallback()(address, &net.TCPAddr{}, key)
	switch {
	case err == nil:
		return known, nil, nil
	case knownhosts.IsHostUnknown(err):
		return unknown, nil, nil
	case knownhosts.IsHostKeyChanged(err):
		if e, ok := errors.AsType[*xknownhosts.KeyError](err); ok {
			return changed, e.Want, nil
		}
	}
	return unknown, nil, fmt.Errorf("look into known_hosts: %w", err)
}

// isKnown tells whether files have any key of an address.
func isKnown(files []string, address string) (bool, error) {
	db, err := openKnownHosts(files)
	if err != nil {
		return false, err
	}
	return len(db.HostKeys(address)) > 0, nil
}

func openKnownHosts(files []string) (*knownhosts.HostKeyDB, error) {
	var there []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		}
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		return nil, fmt.Errorf("read known_hosts: %w", err)
	}
	return db, nil
}

// addKey adds a line to a known_hosts file, mode 0600, and takes out those at
// the given line numbers.
func addKey(file, address string, key ssh.PublicKey, without []xknownhosts.KnownKey) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read known_hosts: %w", err)
	}
	text, err = withoutLines(file, text, without)
	if err != nil {
		return err
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	line := xknownhosts.Line([]string{xknownhosts.Normalize(address)}, key)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil { // a person's first ~/.ssh
		return fmt.Errorf("write known_hosts: %w", err)
	}
	if whole, err := filepath.EvalSymlinks(file); err == nil {
		file = whole // the link stays one
	}
	return writeFile(file, append(text, line+"\n"...), 0o600)
}

// withoutLines removes lines that are of one host only.
func withoutLines(file string, text []byte, remove []xknownhosts.KnownKey) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	var numbers []int
	for _, k := range remove {
		if k.Filename != file {
			return nil, fmt.Errorf("replace host key: it stands at %s:%d too; remove that line", k.Filename, k.Line)
		}
		if k.Line > len(lines) {
			return nil, fmt.Errorf("replace host key: %s has no line %d any more; run it again", file, k.Line)
		}
		if hosts, _, _ := strings.Cut(strings.TrimSpace(lines[k.Line-1]), " "); strings.ContainsAny(hosts, ",*?@") {
			return nil, fmt.Errorf("replace host key: %s:%d is of several hosts; edit that line", file, k.Line)
		}
		numbers = append(numbers, k.Line-1)
	}
	var kept strings.Builder
	for i, line := range lines {
		if !slices.Contains(numbers, i) {
			kept.WriteString(line)
		}
	}
	return []byte(kept.String()), nil
}

// places lists lines for people.
func places(keys []xknownhosts.KnownKey) string {
	var list []string
	for _, k := range keys {
		list = append(list, fmt.Sprintf("%s:%d", k.Filename, k.Line))
	}
	return strings.Join(list, ", ")
}
