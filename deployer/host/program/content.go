package program

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
)

// Content is what a file holds. It may be read any number of times, also at
// once, and need not be in memory: the program is 26 MB, and may be on its way
// to many hosts. The zero value is empty.
type Content struct {
	size int64 // -1: as long as it is
	open func() (io.ReadCloser, error)
}

// Bytes is content in memory.
func Bytes(b []byte) Content {
	return Content{int64(len(b)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// OnDisk is the content of a file, which is opened when it is read. It errs
// where there is no such file now.
func OnDisk(name string) (Content, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Content{}, err
	}
	if !info.Mode().IsRegular() {
		return Content{}, fmt.Errorf("%s is not a file", name)
	}
	return Content{info.Size(), func() (io.ReadCloser, error) { return os.Open(name) }}, nil
}

// Open reads the content from its beginning. The caller closes it.
func (c Content) Open() (io.ReadCloser, error) {
	if c.open == nil {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	return c.open()
}

func (c Content) copyTo(w io.Writer) error {
	r, err := c.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// stream is content that is written anew for each reader.
func stream(size int64, write func(io.Writer) error) Content {
	return Content{size, func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		s := &streamed{PipeReader: r}
		s.writing.Go(func() {
			defer w.Close() // where it panics, which Close tells
			_ = w.CloseWithError(write(w))
		})
		return s, nil
	}}
}

type streamed struct {
	*io.PipeReader
	writing abreast.Group
}

// Close ends the writer, wherever it is, and waits for it.
func (s *streamed) Close() error {
	err := s.PipeReader.Close()
	s.writing.Wait()
	return err
}
