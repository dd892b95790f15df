package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

const maxPack = maxFiles + 8<<20 // bytes of a partial fetch, as sent

// partial asks the server for single objects and keeps them in memory. What
// the last snapshot had is not asked for again: a commit that touches no
// deploy file costs one request, for itself and its root folder.
type partial struct {
	wire wire
	caps capabilities
	held map[string]object // of this and the last snapshot
	used map[string]bool   // read for this one
}

func newPartial(w wire, caps capabilities, last map[string]object) *partial {
	p := &partial{wire: w, caps: caps, held: make(map[string]object, len(last)), used: map[string]bool{}}
	for id, o := range last {
		p.held[id] = o
	}
	return p
}

// commit fetches a tip's commit and root folder and returns the commit.
func (p *partial) commit(ctx context.Context, t Tip) (commit, error) {
	if _, ok := p.held[t.id]; !ok {
		// tree:1 brings the root folder's list and nothing below it, whatever
		// the size of the repository.
		if err := p.fetch(ctx, request{want: []string{t.id}, depth: 1, filter: "tree:1"}); err != nil {
			return commit{}, err
		}
	}
	return readCommit(p, t)
}

func (p *partial) load(ctx context.Context, ids []string) error {
	var lacking []string
	for _, id := range ids {
		if _, ok := p.held[id]; !ok {
			lacking = append(lacking, id)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	slices.Sort(lacking)
	// Objects that are named are sent in spite of the filter; folders named
	// bring the folders below.
	return p.fetch(ctx, request{want: slices.Compact(lacking), filter: "blob:none"})
}

func (p *partial) fetch(ctx context.Context, r request) error {
	return ask(ctx, p.wire, p.caps, r, func(a *answer) error {
		pack, err := io.ReadAll(&capped{from: a, left: maxPack, what: fmt.Sprintf("the wanted files are more than %d MiB as sent", maxPack>>20)})
		if err != nil {
			return err
		}
		got, err := unpack(pack, packLimits{objects: 2 * maxEntries, object: maxTree, total: maxPack})
		if err != nil {
			return err
		}
		for id, o := range got {
			p.held[id] = o
		}
		return nil
	})
}

func (p *partial) read(id string, k kind, limit int64) ([]byte, error) {
	o, ok := p.held[id]
	switch {
	case !ok:
		return nil, trouble(ErrProtocol, "the server did not send the %s %s that was asked for", k, id)
	case o.kind != k:
		return nil, trouble(ErrProtocol, "object %s is a %s, not a %s", id, o.kind, k)
	case int64(len(o.data)) > limit:
		return nil, tooBig(int64(len(o.data)), limit)
	}
	p.used[id] = true
	return o.data, nil
}

// keep returns what the next snapshot may find useful: what this one read.
func (p *partial) keep() map[string]object {
	kept := make(map[string]object, len(p.used))
	for id := range p.used {
		kept[id] = p.held[id]
	}
	return kept
}

func tooBig(size, limit int64) error {
	return trouble(ErrTooBig, "it has %d bytes and at most %d are read; make it smaller", size, limit)
}

// readCommit reads a tip's commit, through tag objects if the ref is one.
func readCommit(src source, t Tip) (commit, error) {
	id := t.id
	for range 10 { // tags of tags
		data, err := src.read(id, kindCommit, maxFile)
		if err == nil {
			return parseCommit(id, data)
		}
		tag, tagErr := src.read(id, kindTag, maxFile)
		if tagErr != nil {
			return commit{}, err
		}
		target, of := parseTag(tag)
		if (of != "commit" && of != "tag") || !validID(target) {
			return commit{}, trouble(ErrRefMissing, "tag %s marks a %s, not a commit; tag a commit", t.Ref, printable([]byte(of)))
		}
		id = target
	}
	return commit{}, trouble(ErrProtocol, "tag %s marks tags only", t.Ref)
}

// refusedPartial tells whether a server that announced partial fetches did not
// keep its word, so that a whole fetch is to be tried.
func refusedPartial(err error) bool {
	t, ok := errors.AsType[*Trouble](err)
	return ok && (t.Kind == ErrProtocol || t.Kind == ErrMoved || t.Kind == ErrAuth)
}
