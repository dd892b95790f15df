// Package state keeps the routes of the proxy in a file, so that a restart serves them at once.
//
// The file is replaced whole (temporary file in the same folder, fsync, rename, fsync of the folder):
// a full disk or a crash at any moment leaves either the old routes or the new ones. What may not
// live here: any knowledge of what a route means.
package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// Version is the format that this package writes.
const Version = 1

// maxFile bounds what is read, in bytes.
const maxFile = 64 << 20

// Document is the content of the file.
type Document struct {
	Version  int       `json:"version"`
	Services []Service `json:"services"`
}

// Service is what must survive a restart.
type Service struct {
	Name           string           `json:"name"`
	Targets        []string         `json:"targets"`
	Options        control.Options  `json:"options"`
	RolloutTargets []string         `json:"rollout_targets,omitempty"`
	Split          *control.Split   `json:"split,omitempty"`
	State          control.State    `json:"state"`
	Message        string           `json:"message,omitempty"`
	MaxPause       control.Duration `json:"max_pause"`
}

// ErrUnreadable says that the bytes are not a Document of this version.
var ErrUnreadable = errors.New("state is unreadable")

// Decode reads a document; every error wraps ErrUnreadable.
func Decode(text []byte) (Document, error) {
	var doc Document
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Document{}, fmt.Errorf("%w: bytes after its end", ErrUnreadable)
	}
	if doc.Version != Version {
		return Document{}, fmt.Errorf("%w: version %d, this proxy reads %d", ErrUnreadable, doc.Version, Version)
	}
	seen := map[string]bool{}
	for _, s := range doc.Services {
		if s.Name == "" || len(s.Targets) == 0 || seen[s.Name] {
			return Document{}, fmt.Errorf("%w: service %q has no name, no target, or is there twice", ErrUnreadable, s.Name)
		}
		seen[s.Name] = true
	}
	return doc, nil
}

// File is the state file at Path.
type File struct{ Path string }

// Load returns the saved document; no file is an empty one. A file that cannot be understood is
// renamed to Path.unreadable (the last such one is kept) and the error wraps ErrUnreadable: the
// caller can go on with no routes, and they can be read by a person.
func (f File) Load() (Document, error) {
	text, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return Document{Version: Version}, nil
	}
	if err != nil {
		return Document{}, fmt.Errorf("load state: %w", err)
	}
	doc, err := Decode(text)
	if err != nil {
		aside := f.Path + ".unreadable"
		return Document{}, errors.Join(fmt.Errorf("load state: %w; it is kept as %s", err, aside), os.Rename(f.Path, aside))
	}
	return doc, nil
}

func (f File) read() ([]byte, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// Save replaces the document. After an error the file holds what it held, except when the error came
// from the last step (fsync of the folder): then it holds doc but may lose it to a power cut.
func (f File) Save(doc Document) error {
	doc.Version = Version
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	temp := f.Path + ".new"
	if err := write(temp, append(text, '\n')); err != nil {
		// A half written file would hold the very bytes that a full disk lacks.
		return errors.Join(fmt.Errorf("save state: %w", err), ignoreMissing(os.Remove(temp)))
	}
	if err := os.Rename(temp, f.Path); err != nil {
		return errors.Join(fmt.Errorf("save state: %w", err), ignoreMissing(os.Remove(temp)))
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

func write(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
