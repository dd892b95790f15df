package files_test

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/pkg/sftp"
)

// ends are the two ends of a stream in memory.
type ends struct {
	io.Reader
	io.WriteCloser
	close func()
}

func (e ends) Close() error {
	e.close()
	return nil
}

// slow takes time for each write.
type slow struct {
	io.WriteCloser
	by *atomic.Int64
}

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(s.by.Load()))
	return s.WriteCloser.Write(b)
}

func TestASessionThatNobodyUsesEnds(t *testing.T) {
	home := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var opened, open atomic.Int32
		var slowness atomic.Int64 // of a write to the server
		var servers sync.WaitGroup
		door := files.NewSFTP("web-1", func(context.Context) (io.ReadWriteCloser, error) {
			opened.Add(1)
			open.Add(1)
			requests, in := io.Pipe()
			out, answers := io.Pipe()
			servers.Go(func() {
				defer open.Add(-1)
				s, err := sftp.NewServer(ends{requests, answers, func() { _ = answers.Close() }}, sftp.WithServerWorkingDirectory(home))
				if err == nil {
					_ = s.Serve()
				}
				_ = answers.Close()
			})
			return ends{out, slow{in, &slowness}, func() { _ = in.Close() }}, nil
		}, rand.Text)
		door.EndIdle(time.Minute)
		use := func() {
			t.Helper()
			if err := door.Door().Write(t.Context(), "a", []byte("b"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		use()
		for range 3 { // each use begins the minute anew
			time.Sleep(59 * time.Second)
			use()
		}
		time.Sleep(59 * time.Second)
		slowness.Store(int64(2 * time.Second)) // the minute ends within the call
		use()
		slowness.Store(0)
		synctest.Wait()
		if opened.Load() != 1 || open.Load() != 1 {
			t.Errorf("%d sessions were opened, %d are open", opened.Load(), open.Load())
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if open.Load() != 0 {
			t.Error("the unused session is still open")
		}
		use()
		if opened.Load() != 2 {
			t.Errorf("%d sessions were opened", opened.Load())
		}
		if err := door.Close(); err != nil {
			t.Error(err)
		}
		servers.Wait()
	})
}
