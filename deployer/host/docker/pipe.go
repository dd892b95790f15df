package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Pipe runs a container whose standard input and output are the stream that it
// returns; ctx bounds only the way there. The container ends with the stream,
// also when this process dies: the engine closes its input then, and removes
// it when it has ended. What it wrote to standard error is in the error of a
// read that found the stream ended. Errors are those of Create.
func (e *Engine) Pipe(ctx context.Context, name string, spec container.Spec) (io.ReadWriteCloser, error) {
	spec.OpenStdin = true
	options, err := createOptions(name, spec)
	if err != nil {
		return nil, e.onHost(ctx, "create container "+name, err)
	}
	options.Config.StdinOnce, options.Config.AttachStdin, options.Config.AttachStdout, options.Config.AttachStderr = true, true, true, true
	options.HostConfig.AutoRemove = true
	var p *pipe
	err = e.call(ctx, "run container "+name, 2*callTimeout, func(ctx context.Context, s *session) error {
		made, err := create(ctx, s, options)
		if err != nil {
			return err
		}
		p, err = e.startPipe(ctx, s, made.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// create makes a container and classes the refusals that callers tell apart.
func create(ctx context.Context, s *session, options client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	r, err := s.cli.ContainerCreate(ctx, options)
	if cerrdefs.IsConflict(err) {
		return r, classed(ErrNameTaken, err)
	}
	if cerrdefs.IsNotFound(err) {
		if _, missing := s.cli.ImageInspect(ctx, options.Config.Image); cerrdefs.IsNotFound(missing) {
			return r, classed(ErrNoImage, err)
		}
	}
	return r, err
}

// startPipe attaches to a created container, then starts it: in this order
// nothing that it writes is lost.
func (e *Engine) startPipe(ctx context.Context, s *session, id string) (_ *pipe, err error) {
	conn, err := s.attach.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err == nil {
		if _, err = s.cli.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), pipeClose)
		defer cancel()
		return nil, errors.Join(err, e.Remove(gone, id))
	}
	read, write := io.Pipe()
	p := &pipe{engine: e, id: id, conn: conn.HijackedResponse, out: read}
	p.copying.Go(func() {
		errs := &tail{}
		_, err := stdcopy.StdCopy(write, errs, conn.Reader)
		if said := strings.TrimSpace(PlainText(errs.String(), maxLine)); said != "" && err == nil {
			err = fmt.Errorf("%s: %w", said, io.EOF)
		}
		write.CloseWithError(err)
	})
	return p, nil
}

// pipeClose bounds how long a container of Pipe may take to go.
const pipeClose = 10 * time.Second

type pipe struct {
	engine  *Engine
	id      string
	conn    client.HijackedResponse
	out     *io.PipeReader
	copying abreast.Group
	once    sync.Once
	err     error
}

// Read reads what the container writes.
func (p *pipe) Read(b []byte) (int, error) { return p.out.Read(b) }

// Write writes what the container reads.
func (p *pipe) Write(b []byte) (int, error) { return p.conn.Conn.Write(b) }

// Close ends the container and waits until it is gone.
func (p *pipe) Close() error {
	p.once.Do(func() {
		p.conn.Close()
		_ = p.out.Close()
		p.copying.Wait()
		ctx, cancel := context.WithTimeoutCause(context.Background(), pipeClose, errors.New("the engine did not answer"))
		defer cancel()
		p.err = p.engine.Remove(ctx, p.id)
	})
	return p.err
}
