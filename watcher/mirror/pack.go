package mirror

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // git's object names
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// object is one of git's, unpacked.
type object struct {
	kind kind
	data []byte
}

// A partial fetch brings a handful of objects; its pack is held in memory and
// taken apart here, under limits, because what is in it is a stranger's.
type packLimits struct {
	objects int   // in the pack
	object  int64 // bytes of one object, unpacked
	total   int64 // bytes of all, unpacked
}

const (
	typeOffsetDelta = 6
	typeRefDelta    = 7
)

// unpack takes a pack apart (gitformat-pack, version 2) and returns its
// objects by name. Deltas against objects outside the pack are an error: none
// was offered as a base.
func unpack(pack []byte, limits packLimits) (map[string]object, error) {
	if len(pack) < 32 || string(pack[:4]) != "PACK" || binary.BigEndian.Uint32(pack[4:]) != 2 {
		return nil, trouble(ErrProtocol, "the server sent no pack of version 2")
	}
	body := pack[:len(pack)-sha1.Size]
	if sum := sha1.Sum(body); !bytes.Equal(sum[:], pack[len(body):]) { //nolint:gosec // git's checksum
		return nil, trouble(ErrProtocol, "the pack's checksum is wrong; the connection may be faulty")
	}
	count := int64(binary.BigEndian.Uint32(pack[8:]))
	if count > int64(limits.objects) {
		return nil, trouble(ErrTooBig, "the server sent %d objects where at most %d were expected", count, limits.objects)
	}
	u := unpacker{body: body, limits: limits, at: make(map[int64]object, count), named: make(map[string]object, count)}
	pos := int64(12)
	for range count {
		next, err := u.one(pos)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		pos = next
	}
	return u.named, u.resolve()
}

type unpacker struct {
	body    []byte
	limits  packLimits
	total   int64
	at      map[int64]object // by offset
	named   map[string]object
	waiting []delta
}

// delta is an object given as the difference to another.
type delta struct {
	pos    int64
	offset int64  // of the base; 0 when it is named
	base   string // its name
	data   []byte
}

// one reads the object at pos and returns where the next begins.
func (u *unpacker) one(pos int64) (int64, error) {
	if pos >= int64(len(u.body)) {
		return 0, trouble(ErrProtocol, "the pack ends early")
	}
	r := bytes.NewReader(u.body[pos:])
	typ, size, err := header(r)
	if err != nil {
		return 0, err
	}
	d := delta{pos: pos}
	switch typ {
	case typeOffsetDelta:
		back, err := offset(r)
		if err != nil || back <= 0 || back > pos-12 {
			return 0, trouble(ErrProtocol, "a delta in the pack has no base")
		}
		d.offset = pos - back
	case typeRefDelta:
		var id [sha1.Size]byte
		if _, err := io.ReadFull(r, id[:]); err != nil {
			return 0, trouble(ErrProtocol, "the pack ends early")
		}
		d.base = hex.EncodeToString(id[:])
	}
	data, err := u.inflate(r, size)
	if err != nil {
		return 0, err
	}
	switch typ {
	case typeOffsetDelta, typeRefDelta:
		d.data = data
		u.waiting = append(u.waiting, d)
	case byte(kindCommit), byte(kindTree), byte(kindBlob), byte(kindTag):
		u.put(pos, object{kind(typ), data})
	default:
		return 0, trouble(ErrProtocol, "the pack has an object of unknown type %d", typ)
	}
	return int64(len(u.body)) - int64(r.Len()), nil
}

func (u *unpacker) inflate(r *bytes.Reader, size int64) ([]byte, error) {
	if err := u.account(size); err != nil {
		return nil, err
	}
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, because(ErrProtocol, err, "the pack has a damaged object")
	}
	// Not allocated as announced: a lie of a megabyte must cost its bytes.
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(z, size+1))
	if err != nil || n != size {
		return nil, trouble(ErrProtocol, "the pack has a damaged object")
	}
	return out.Bytes(), nil
}

func (u *unpacker) account(size int64) error {
	u.total += size
	if size > u.limits.object || u.total > u.limits.total {
		return trouble(ErrTooBig, "a file of %d bytes is among those wanted (limit %d, %d in all); make it smaller",
			size, u.limits.object, u.limits.total)
	}
	return nil
}

func (u *unpacker) put(pos int64, o object) {
	u.at[pos] = o
	u.named[nameOf(o)] = o
}

// resolve applies the deltas, in as many rounds as their chains are long.
func (u *unpacker) resolve() error {
	for len(u.waiting) > 0 {
		var left []delta
		for _, d := range u.waiting {
			base, ok := u.at[d.offset]
			if d.base != "" {
				base, ok = u.named[d.base]
			}
			if !ok {
				left = append(left, d)
				continue
			}
			data, err := u.patch(base.data, d.data)
			if err != nil {
				return err
			}
			u.put(d.pos, object{base.kind, data})
		}
		if len(left) == len(u.waiting) {
			return trouble(ErrProtocol, "the pack has deltas without a base")
		}
		u.waiting = left
	}
	return nil
}

func (u *unpacker) patch(base, d []byte) ([]byte, error) {
	from, n := binary.Uvarint(d)
	if n <= 0 || from != uint64(len(base)) {
		return nil, trouble(ErrProtocol, "a delta in the pack does not fit its base")
	}
	to, m := binary.Uvarint(d[n:])
	if m <= 0 || to > uint64(u.limits.object) {
		return nil, trouble(ErrTooBig, "a delta in the pack makes an object of %d bytes (limit %d)", to, u.limits.object)
	}
	if err := u.account(int64(to)); err != nil {
		return nil, err
	}
	out, err := packfile.PatchDelta(base, d)
	if err != nil || uint64(len(out)) != to {
		return nil, because(ErrProtocol, errors.Join(err), "a delta in the pack is damaged")
	}
	return out, nil
}

// header reads an object's type and unpacked size.
func header(r *bytes.Reader) (typ byte, size int64, err error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, 0, trouble(ErrProtocol, "the pack ends early")
	}
	typ, size = b>>4&7, int64(b&15)
	for shift := 4; b&0x80 != 0; shift += 7 {
		if b, err = r.ReadByte(); err != nil || shift > 46 {
			return 0, 0, trouble(ErrProtocol, "the pack has a damaged object header")
		}
		size |= int64(b&0x7f) << shift
	}
	return typ, size, nil
}

// offset reads how far back the base of a delta is.
func offset(r *bytes.Reader) (int64, error) {
	b, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := int64(b & 0x7f)
	for b&0x80 != 0 {
		if b, err = r.ReadByte(); err != nil || n > 1<<40 {
			return 0, io.ErrUnexpectedEOF
		}
		n = (n+1)<<7 | int64(b&0x7f)
	}
	return n, nil
}

// nameOf returns the object's name as git computes it.
func nameOf(o object) string {
	h := sha1.New() //nolint:gosec // git's object names
	fmt.Fprintf(h, "%s %d\x00", o.kind, len(o.data))
	h.Write(o.data)
	return hex.EncodeToString(h.Sum(nil))
}
