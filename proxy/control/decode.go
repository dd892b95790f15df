package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxBody bounds a request or an answer, in bytes.
const MaxBody = 1 << 20

// Decode reads exactly one JSON value into v, which must be a pointer. More than MaxBody bytes, an
// unknown field or anything after the value is an error of Kind Invalid.
func Decode(r io.Reader, v any) error {
	body, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if len(body) > MaxBody {
		return Errorf(Invalid, "read body: longer than %d bytes", MaxBody)
	}
	if err := strict(body, v); err != nil {
		return Errorf(Invalid, "read body: %v", err)
	}
	return nil
}

func strict(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
