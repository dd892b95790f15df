package mirror

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is an object's type, with git's number in a pack.
type kind byte

const (
	kindCommit kind = 1
	kindTree   kind = 2
	kindBlob   kind = 3
	kindTag    kind = 4
)

func (k kind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return "object"
}

// commit is what Fairlead reads of one.
type commit struct {
	id      string
	tree    string
	parents []string
	author  string
	subject string
	time    time.Time // committer's
}

// parseCommit reads a commit object; only a missing tree is an error.
func parseCommit(id string, data []byte) (commit, error) {
	c := commit{id: id}
	head, message, _ := bytes.Cut(data, []byte("\n\n"))
	for line := range bytes.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author, _ = splitPerson(value)
		case "committer":
			_, c.time = splitPerson(value)
		}
	}
	if !validID(c.tree) {
		return commit{}, trouble(ErrProtocol, "commit %s has no tree", id)
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(message, "\n"), []byte{'\n'})
	c.subject = clean(first)
	c.author = clean([]byte(c.author))
	return c, nil
}

// splitPerson takes "Ana <ana@example.com> 1700000000 +0100" apart.
func splitPerson(s string) (who string, when time.Time) {
	end := strings.LastIndexByte(s, '>')
	if end < 0 {
		return s, time.Time{}
	}
	fields := strings.Fields(s[end+1:])
	if len(fields) > 0 {
		if sec, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			when = time.Unix(sec, 0).UTC()
		}
	}
	return s[:end+1], when
}

// clean makes foreign text valid UTF-8 of at most 1,000 bytes.
func clean(b []byte) string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(b), "\uFFFD"))
	if len(s) <= 1000 {
		return s
	}
	s = s[:1000]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// entry is one line of a tree.
type entry struct {
	name string
	mode uint32 // git's: 0o40000 tree, 0o100644 and 0o100755 file, 0o120000 link, 0o160000 submodule
	id   string
}

func (e entry) isTree() bool { return e.mode == 0o40000 }
func (e entry) isFile() bool { return e.mode&0o170000 == 0o100000 }

// parseTree reads a tree object. Names that could mean another place on some
// file system (empty, ".", "..", ".git", with a slash or NUL) are refused.
func parseTree(data []byte) ([]entry, error) {
	var entries []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := strings.Cut(string(head), " ")
		bits, err := strconv.ParseUint(mode, 8, 32)
		if !ok || !spaced || err != nil || len(rest) < 20 {
			return nil, trouble(ErrProtocol, "a tree object is damaged")
		}
		if name == "" || name == "." || name == ".." || strings.EqualFold(name, ".git") || strings.ContainsAny(name, "/\\") {
			return nil, trouble(ErrProtocol, "the commit has a file named %q; Fairlead refuses it: remove it from the repository", printable([]byte(name)))
		}
		entries = append(entries, entry{name: name, mode: uint32(bits), id: hex.EncodeToString(rest[:20])})
		data = rest[20:]
	}
	return entries, nil
}

// parseTag returns what a tag object points at.
func parseTag(data []byte) (target string, of string) {
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		switch key {
		case "object":
			target = value
		case "type":
			return target, value
		}
	}
	return target, ""
}

func validID(s string) bool { return len(s) == 40 && isHex([]byte(s)) }
