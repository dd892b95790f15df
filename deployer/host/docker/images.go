package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
)

const (
	// PullStall is how long a pull may go without any message of progress.
	PullStall   = 30 * time.Second
	loadTimeout = 15 * time.Minute
	maxImages   = 1024
)

// Image reads one image by reference or id. ErrNotFound where there is none.
func (e *Engine) Image(ctx context.Context, ref string) (Image, error) {
	var found Image
	err := e.call(ctx, "inspect image "+ref, callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ImageInspect(ctx, ref)
		if err == nil {
			found = imageFrom(r.InspectResponse)
		}
		return err
	})
	if err != nil {
		return Image{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.images) >= maxImages {
		clear(e.images)
	}
	if known, ok := e.images[found.ID]; ok && !slices.Equal(known.RepoDigests, found.RepoDigests) {
		e.drop(found.ID) // the same bytes were pulled under another name
	}
	e.images[found.ID] = found
	return found, nil
}

// imageOf reads a container's image through the cache; what it brings into a
// container never changes. An image that is gone brings nothing.
func (e *Engine) imageOf(ctx context.Context, id string) (Image, error) {
	e.mu.Lock()
	found, ok := e.images[id]
	e.mu.Unlock()
	if ok {
		return found, nil
	}
	found, err := e.Image(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Image{ID: id}, nil
	}
	return found, err
}

// forgetImages makes all images, and what was read of containers with them, be
// read anew.
func (e *Engine) forgetImages() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.images)
	clear(e.seen)
}

// forgetImage does so for those that are known by a reference: by an id, a tag
// or a digest.
func (e *Engine) forgetImage(ref string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, i := range e.images {
		if id == ref || slices.Contains(i.RepoTags, ref) || slices.Contains(i.RepoDigests, ref) {
			e.drop(id)
		}
	}
}

// drop forgets one image. The caller holds the lock.
func (e *Engine) drop(id string) {
	delete(e.images, id)
	maps.DeleteFunc(e.seen, func(_ string, s seen) bool { return s.observed.Image.ID == id })
}

// tagged notes that a tag is this image's now and nobody else's, so that
// forgetImage finds it. What containers are compared by stays as it was.
func (e *Engine) tagged(id, ref string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for known, i := range e.images {
		mine := known == id || slices.Contains(i.RepoTags, id) || slices.Contains(i.RepoDigests, id)
		has := slices.Contains(i.RepoTags, ref)
		switch {
		case mine && !has:
			i.RepoTags = append(slices.Clone(i.RepoTags), ref)
			e.images[known] = i
		case !mine && has:
			i.RepoTags = slices.DeleteFunc(slices.Clone(i.RepoTags), func(t string) bool { return t == ref })
			e.images[known] = i
		}
	}
}

func imageFrom(r image.InspectResponse) Image {
	i := Image{ID: r.ID, RepoTags: r.RepoTags, RepoDigests: r.RepoDigests, Created: instant(r.Created), Size: r.Size, Architecture: r.Architecture}
	if c := r.Config; c != nil {
		i.Labels = c.Labels
		i.Defaults = defaultsOf(c)
	}
	return i
}

func defaultsOf(c *dockerspec.DockerOCIImageConfig) container.Defaults {
	d := container.Defaults{Cmd: c.Cmd, Entrypoint: c.Entrypoint, Labels: c.Labels, User: c.User, WorkingDir: c.WorkingDir,
		Health: healthcheck(c.Healthcheck), StopSignal: c.StopSignal, Env: envMap(c.Env)}
	for v := range c.Volumes {
		d.Volumes = append(d.Volumes, v)
	}
	for p := range c.ExposedPorts {
		d.Expose = append(d.Expose, p)
	}
	return d
}

// Images lists images by filters of the Engine API, such as
// {"reference": {"ghcr.io/acme/shop"}, "label": {"service=shop"},
// "dangling": {"true"}}.
func (e *Engine) Images(ctx context.Context, filter map[string][]string) ([]Image, error) {
	filters := client.Filters{}
	for k, vs := range filter {
		filters.Add(k, vs...)
	}
	var found []Image
	err := e.call(ctx, "list images", callTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ImageList(ctx, client.ImageListOptions{Filters: filters})
		for _, i := range r.Items {
			found = append(found, Image{ID: i.ID, RepoTags: i.RepoTags, RepoDigests: i.RepoDigests,
				Created: time.Unix(i.Created, 0).UTC(), Size: i.Size, Labels: i.Labels})
		}
		return err
	})
	return found, err
}

// Tag gives an image another reference; a reference that another image had
// moves.
func (e *Engine) Tag(ctx context.Context, id, ref string) error {
	defer e.tagged(id, ref)
	return e.call(ctx, "tag image "+ref, callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.ImageTag(ctx, client.ImageTagOptions{Source: id, Target: ref})
		return err
	})
}

// RemoveImage removes a reference, and the image with its last one. One that
// is gone is success; ErrInUse while a container needs it.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	defer e.forgetImage(ref)
	return e.call(ctx, "remove image "+ref, 2*callTimeout, func(ctx context.Context, s *session) error {
		_, err := s.cli.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if cerrdefs.IsConflict(err) {
			return classed(ErrInUse, err)
		}
		return err
	})
}

// Pull fetches an image from its registry. It ends with ErrStalled when no
// progress comes for PullStall; progress, where not nil, is told each message
// ("layer: status"). ErrImageNotFound, ErrUnauthorized, ErrTooManyRequests and
// ErrDiskFull tell the known failures apart.
func (e *Engine) Pull(ctx context.Context, ref string, auth Auth, progress func(string)) error {
	defer e.forgetImage(ref)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(PullStall, func() {
		cancel(classed(ErrStalled, &TimeoutError{Call: "pull " + ref, Host: e.host, After: PullStall.String()}))
	})
	defer stall.Stop()
	header, err := registryAuth(auth)
	if err != nil {
		return e.onHost(ctx, "pull "+ref, err)
	}
	return e.open(ctx, "pull "+ref, func(ctx context.Context, s *session) error {
		r, err := s.cli.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: header})
		if err != nil {
			return translatePull(err)
		}
		defer r.Close()
		return translatePull(messages(r, func(m jsonstream.Message) {
			stall.Reset(PullStall)
			if progress != nil {
				progress(PlainText(m.ID+": "+m.Status, 512))
			}
		}))
	})
}

// registryAuth writes the X-Registry-Auth header: base64url JSON, to the
// engine over the host's socket.
func registryAuth(a Auth) (string, error) {
	if a.Username == "" && a.Password.IsZero() {
		return "", nil
	}
	return encodeAuth(registry.AuthConfig{Username: a.Username, Password: a.Password.Reveal(), ServerAddress: a.Server})
}

// Load loads images from a tar stream of `docker save`.
func (e *Engine) Load(ctx context.Context, tar io.Reader) error {
	defer e.forgetImages()
	return e.call(ctx, "load image", loadTimeout, func(ctx context.Context, s *session) error {
		r, err := s.cli.ImageLoad(ctx, tar, client.ImageLoadWithQuiet(true))
		if err != nil {
			return err
		}
		defer r.Close()
		return messages(r, func(jsonstream.Message) {})
	})
}

// maxMessages bounds what an engine may tell about one pull or load, in bytes.
const maxMessages = 64 << 20

// messages reads a progress stream to its end and returns the error in it.
func messages(r io.Reader, each func(jsonstream.Message)) error {
	decoder := json.NewDecoder(io.LimitReader(r, maxMessages))
	for {
		var m jsonstream.Message
		if err := decoder.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if m.Error != nil {
			return m.Error
		}
		each(m)
	}
}
