// Package sops reads files that the program sops encrypted: dotenv, YAML and
// JSON whose values are ENC[AES256_GCM,…] under a data key, with a code over
// all of them.
//
// Lives here: the format, from bytes to plain values, all of it or an error.
// May not live here: where a data key comes from, files, programs; and
// encryption, which is sops's own.
//
// The format is that of https://github.com/getsops/sops, whose own module
// brings the clients of every cloud with it.
package sops

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Limits of a file.
const (
	maxFile   = 1 << 20 // bytes
	maxLeaves = 10_000
	maxDepth  = 32
)

// ErrPlain says that a file has no metadata of sops.
var ErrPlain = errors.New("it is not encrypted by sops")

// UnsupportedError says why only the program sops can read a file.
type UnsupportedError struct{ Why string }

func (e *UnsupportedError) Error() string { return e.Why }

// File is an encrypted file, not yet decrypted.
type File struct {
	leaves []leaf
	meta   map[string]string // by name without "sops."
}

// leaf is one value and where it stands.
type leaf struct {
	keys   []string // without the indexes of lists
	name   string   // keys and indexes: "database.hosts.0"
	text   string   // the value for people: true
	hashed string   // the value as the code covers it: True
}

// Secret is one decrypted value.
type Secret struct {
	Name  string // nested keys are joined by a dot
	Plain string
}

// Parse reads a file: YAML and JSON by the end of its name, else dotenv. The
// error wraps ErrPlain when nothing in it is sops's; none names a value.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	var leaves []leaf
	var err error
	switch path.Ext(name) {
	case ".yaml", ".yml":
		leaves, err = fromYAML(data)
	case ".json":
		leaves, err = fromJSON(data)
	default:
		leaves, err = fromDotenv(string(data))
	}
	if err != nil {
		return nil, err
	}
	f := &File{meta: map[string]string{}}
	seen := map[string]bool{}
	for _, l := range leaves {
		if seen[l.name] {
			return nil, fmt.Errorf("%s is there twice", strconv.Quote(l.name))
		}
		seen[l.name] = true
		if own, ok := strings.CutPrefix(l.name, "sops."); ok && l.keys[0] == "sops" {
			f.meta[own] = l.text
		} else {
			f.leaves = append(f.leaves, l)
		}
	}
	if f.meta["mac"] == "" {
		return nil, ErrPlain
	}
	return f, f.supported()
}

// supported finds what this package cannot follow.
func (f *File) supported() error {
	for key := range f.meta {
		if strings.HasPrefix(key, "key_groups.") {
			return &UnsupportedError{"its data key is split among groups of keys"}
		}
	}
	for _, key := range []string{"encrypted_comment_regex", "unencrypted_comment_regex"} {
		if f.meta[key] != "" {
			return &UnsupportedError{"comments say what of it is encrypted (" + key + ")"}
		}
	}
	if len(f.AgeKeys()) == 0 {
		var others []string
		for key := range f.meta {
			if kind, _, ok := strings.Cut(key, "."); ok && !slices.Contains(others, kind) {
				others = append(others, kind)
			}
		}
		slices.Sort(others)
		return &UnsupportedError{"it is not encrypted for age, but for: " + strings.Join(others, ", ")}
	}
	return nil
}

// AgeKeys are the data key, encrypted for one age recipient each, armored.
func (f *File) AgeKeys() []string {
	var wrapped []string
	for i := range maxLeaves {
		text, ok := f.meta["age."+strconv.Itoa(i)+".enc"]
		if !ok {
			break
		}
		wrapped = append(wrapped, text)
	}
	return wrapped
}

// Flatten gives the values of a decrypted JSON object, as Decrypt does.
func Flatten(object []byte) ([]Secret, error) {
	leaves, err := fromJSON(object)
	var out []Secret
	for _, l := range leaves {
		out = append(out, Secret{Name: l.name, Plain: l.text})
	}
	return out, err
}

// fromDotenv reads sops's dotenv: NAME=value, no quotes, \n for a line end.
func fromDotenv(data string) ([]leaf, error) {
	var leaves []leaf
	for i, line := range strings.Split(data, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		key, text, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d is no NAME=value", i+1)
		}
		if len(leaves) == maxLeaves {
			return nil, errTooMany
		}
		l := leaf{keys: []string{key}, name: key, text: strings.ReplaceAll(text, `\n`, "\n")}
		if own, ok := strings.CutPrefix(key, "sops_"); ok {
			l.keys = []string{"sops"}
			l.name = "sops." + strings.NewReplacer("__list_", ".", "__map_", ".").Replace(own)
		}
		l.hashed = l.text
		leaves = append(leaves, l)
	}
	return leaves, nil
}

var (
	errTooMany = fmt.Errorf("more than %d values", maxLeaves)
	errTooDeep = fmt.Errorf("nested deeper than %d", maxDepth)
)
