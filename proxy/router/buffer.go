package router

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// errTooLong says that a body is longer than its limit.
var errTooLong = errors.New("body is too long")

// buffer reads all of body, the first memory bytes into memory and the rest into a file that no name
// leads to. limit 0 is none. Closing the returned body frees both.
func (r *Router) buffer(body io.Reader, memory, limit int64) (buffered io.ReadCloser, size int64, err error) {
	if limit > 0 {
		body = io.LimitReader(body, limit+1)
	}
	var head bytes.Buffer
	n, err := io.Copy(&head, io.LimitReader(body, memory))
	if err != nil {
		return nil, 0, err
	}
	var rest *os.File
	if n == memory {
		if rest, size, err = spill(r.config.Spill, body); err != nil {
			return nil, 0, err
		}
	}
	size += n
	if limit > 0 && size > limit {
		closeAll(rest)
		return nil, 0, fmt.Errorf("%w: over %d bytes", errTooLong, limit)
	}
	if rest == nil {
		return io.NopCloser(&head), size, nil
	}
	return &spilled{Reader: io.MultiReader(&head, rest), file: rest}, size, nil
}

// spill copies what is left of body into a file; nil when nothing is left.
func spill(dir string, body io.Reader) (*os.File, int64, error) {
	var first [1]byte
	if _, err := io.ReadFull(body, first[:]); errors.Is(err, io.EOF) {
		return nil, 0, nil
	} else if err != nil {
		return nil, 0, err
	}
	file, err := os.CreateTemp(dir, "kamal-proxy-body-*")
	if err != nil {
		return nil, 0, fmt.Errorf("buffer body: %w", err)
	}
	err = os.Remove(file.Name()) // it lives as long as it is open, also when the proxy is killed
	var n int64
	if err == nil {
		n, err = io.Copy(file, io.MultiReader(bytes.NewReader(first[:]), body))
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		closeAll(file)
		return nil, 0, fmt.Errorf("buffer body: %w", err)
	}
	return file, n, nil
}

type spilled struct {
	io.Reader
	file *os.File
}

func (s *spilled) Close() error { return s.file.Close() }

func closeAll(file *os.File) {
	if file != nil {
		_ = file.Close()
	}
}
