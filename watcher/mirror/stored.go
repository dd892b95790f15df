package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// stored reads objects from a repository on this machine. Every object's name
// is computed again: a flipped bit is found before it is believed.
type stored struct{ from storer.EncodedObjectStorer }

func (s stored) load(context.Context, []string) error { return nil }

func (s stored) read(id string, k kind, limit int64) (data []byte, err error) {
	defer recovered(&err)
	o, err := s.from.EncodedObject(plumbing.AnyObject, plumbing.NewHash(id))
	if err != nil {
		return nil, because(ErrCorrupt, err, "%s %s cannot be read (%v)", k, id, err)
	}
	if o.Type() != plumbing.ObjectType(k) {
		return nil, trouble(ErrProtocol, "object %s is a %s, not a %s", id, o.Type(), k)
	}
	if o.Size() > limit {
		return nil, tooBig(o.Size(), limit)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, because(ErrCorrupt, err, "%s %s cannot be read (%v)", k, id, err)
	}
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, because(ErrCorrupt, err, "%s %s cannot be read (%v)", k, id, err)
	}
	if nameOf(object{k, data}) != id {
		return nil, trouble(ErrCorrupt, "%s %s does not have the content of that name", k, id)
	}
	return data, nil
}

// recovered turns a panic over damaged files (go-git had several, such as
// CVE-2026-33762) into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = because(ErrCorrupt, fmt.Errorf("panic: %v", r), "reading it failed badly")
	}
}
