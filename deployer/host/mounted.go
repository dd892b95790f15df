package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
)

// LabelFiles marks the containers that serve a host's files. They end and are
// removed by themselves; what a crash before their start leaves is removed by
// the next one.
const LabelFiles = "fairlead.files"

const (
	filesIdle = time.Minute // unused, the container ends
	filesHome = "/home"     // where it has the home folder
	filesLost = time.Minute // a container that was not started by then never is
)

// newMounted makes the door to the home folder of a host that only its engine
// reaches: SFTP over the standard streams of a container of Fairlead's own
// program that has nothing but that folder. (The engine's archive calls could
// read and write files too, but neither rename nor remove, which locks need.)
func newMounted(h *Host) *files.SFTP {
	s := files.NewSFTP(h.name, h.serveFiles, h.config.Unique)
	s.EndIdle(filesIdle)
	return s
}

// serveFiles starts the container.
func (h *Host) serveFiles(ctx context.Context) (io.ReadWriteCloser, error) {
	home, err := h.Home(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.removeLostFiles(ctx); err != nil {
		return nil, err
	}
	name, spec := "fairlead-files-"+h.config.Unique(), filesSpec(home)
	stream, err := h.engine.Pipe(ctx, name, spec)
	if errors.Is(err, docker.ErrNoImage) {
		if err = h.bringProgram(ctx); err == nil {
			stream, err = h.engine.Pipe(ctx, name, spec)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reach the files in %s through the engine: %w", home, err)
	}
	return stream, nil
}

func (h *Host) bringProgram(ctx context.Context) error {
	if h.config.Binary == nil {
		return errors.New("there is no program to send; mount the folder where Fairlead runs")
	}
	info, err := h.engine.Info(ctx)
	if err != nil {
		return err
	}
	return program.Ensure(ctx, h.engine, info.Arch, h.config.Binary)
}

// removeLostFiles removes containers that were made and never started.
func (h *Host) removeLostFiles(ctx context.Context) error {
	all, err := h.engine.Containers(ctx, map[string]string{LabelFiles: ""})
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.State.Status == container.Created && time.Since(c.Created) > filesLost {
			if err := h.engine.Remove(ctx, c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// filesSpec is a container without network, log and every right that serving
// one folder does not take. Its first act is to become the folder's owner.
func filesSpec(home string) container.Spec {
	return container.Spec{
		Image:   program.Image,
		Cmd:     []string{"kamal-proxy", "sftp-server", filesHome},
		Network: "none",
		Log:     container.Log{Driver: "none"}, // what passes may be a secret
		Labels:  map[string]string{LabelFiles: "true", "org.opencontainers.image.title": "fairlead-files"},
		Mounts:  []container.Mount{{Kind: container.Bind, Source: home, Target: filesHome, MustExist: true}},
		Security: container.Security{
			ReadOnlyRootfs: true, CapDrop: []string{"ALL"}, CapAdd: []string{"SETUID", "SETGID", "DAC_OVERRIDE", "FOWNER"},
			SecurityOpt: []string{"no-new-privileges"},
		},
	}
}
