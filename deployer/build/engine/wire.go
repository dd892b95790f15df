package engine

import (
	"encoding/binary"
	"errors"
)

// errWire: a message is damaged.
var errWire = errors.New("a damaged message of BuildKit")

// The wire types of Protocol Buffers that BuildKit's messages have.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// field is one field of a message: a number, or bytes.
type field struct {
	num    uint64
	varint uint64
	bytes  []byte
}

// fields reads a message. Nothing in it is copied.
func fields(b []byte) ([]field, error) {
	var list []field
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errWire
		}
		b = b[n:]
		f := field{num: key >> 3}
		switch key & 7 {
		case wireVarint:
			if f.varint, n = binary.Uvarint(b); n <= 0 {
				return nil, errWire
			}
			b = b[n:]
		case wireBytes:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return nil, errWire
			}
			f.bytes, b = b[n:n+int(size)], b[n+int(size):]
		case wire64, wire32:
			width := 8
			if key&7 == wire32 {
				width = 4
			}
			if len(b) < width {
				return nil, errWire
			}
			b = b[width:]
		default:
			return nil, errWire
		}
		list = append(list, f)
	}
	return list, nil
}

// appendBytes adds a field of bytes to a message.
func appendBytes(b []byte, num uint64, data []byte) []byte {
	b = binary.AppendUvarint(b, num<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// appendNumber adds a field with a number to a message.
func appendNumber(b []byte, num, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, num<<3|wireVarint), value)
}

// text is the first field of that number, "" where there is none.
func text(list []field, num uint64) string {
	for _, f := range list {
		if f.num == num {
			return string(f.bytes)
		}
	}
	return ""
}
