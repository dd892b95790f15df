package fleet

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is a container image FROM scratch, built in memory. The same Image
// always has the same digest; one that differs in a variable has another.
type Image struct {
	// Binary is the path of a static program on this machine; it becomes /app,
	// or what Path says.
	Binary string
	Path   string
	// Files are more files by their absolute path, mode 0644.
	Files map[string]string
	// Cmd are the arguments of the program; with a Dir, the folder that it
	// starts in, it is the whole command, and there is no entrypoint.
	Cmd []string
	Dir string
	// Env, Labels, Healthcheck (argv after CMD), Volumes and Ports ("80/tcp") are as in
	// a Dockerfile.
	Env, Labels map[string]string
	Healthcheck []string
	Ports       []string
	Volumes     []string
	// User is "", a name or a uid, as in a Dockerfile.
	User string
	// Root is a folder of this machine that is the image's, in place of Binary
	// and Files. "" is none.
	Root string
}

// Push builds the image and puts it into the fleet's registry under
// "REPO:TAG". It returns the digest, "sha256:…".
func (f *Fleet) Push(ctx context.Context, img Image, repoTag string) (digest string, err error) {
	built, err := img.Build()
	if err != nil {
		return "", err
	}
	ref, err := name.NewTag(f.RegistryLocal+"/"+repoTag, name.Insecure)
	if err != nil {
		return "", fmt.Errorf("push image: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("no end within %s", commandTimeout))
	defer cancel()
	if err := remote.Write(ref, built, remote.WithContext(ctx), remote.WithTransport(direct()),
		remote.WithAuth(f.registryLogin())); err != nil {
		return "", fmt.Errorf("push image: %w", err)
	}
	hash, err := built.Digest()
	if err != nil {
		return "", fmt.Errorf("push image: %w", err)
	}
	return hash.String(), nil
}

func (f *Fleet) registryLogin() authn.Authenticator {
	if f.opts.RegistryUser == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: f.opts.RegistryUser, Password: f.opts.RegistryPassword}
}

// direct talks to this machine without any proxy that the environment names.
func direct() http.RoundTripper {
	return &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: time.Minute}
}

// Build makes the image in memory.
func (i Image) Build() (v1.Image, error) {
	content, err := i.layer()
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithCompressedCaching)
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = i.config()
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	return img, nil
}

func (i Image) config() v1.Config {
	c := v1.Config{Entrypoint: []string{i.path()}, Cmd: i.Cmd, WorkingDir: i.Dir, Labels: i.Labels, User: i.User, ExposedPorts: map[string]struct{}{}}
	if i.Dir != "" {
		c.Entrypoint = nil
	}
	for _, key := range slices.Sorted(maps.Keys(i.Env)) {
		c.Env = append(c.Env, key+"="+i.Env[key])
	}
	for _, path := range i.Volumes {
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[path] = struct{}{}
	}
	for _, port := range i.Ports {
		c.ExposedPorts[port] = struct{}{}
	}
	if len(i.Healthcheck) > 0 {
		c.Healthcheck = &v1.HealthConfig{Test: append([]string{"CMD"}, i.Healthcheck...),
			Interval: time.Second, Timeout: 2 * time.Second, Retries: 3}
	}
	return c
}

func (i Image) path() string { return cmp.Or(i.Path, "/app") }

// layer is the one layer of the image, without times, so that it is the same
// each time.
func (i Image) layer() ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	put := func(path string, mode int64, content []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	if i.Root != "" {
		if err := folder(w, i.Root); err != nil {
			return nil, err
		}
		return out.Bytes(), w.Close()
	}
	binary, err := os.ReadFile(i.Binary)
	if err != nil {
		return nil, err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return nil, err
	}
	if err := put(i.path()[1:], 0o755, binary); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(i.Files)) {
		if err := put(path[1:], 0o644, []byte(i.Files[path])); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

// folder puts what is in a folder into an archive, all of it root's.
func folder(w *tar.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := ""
		if d.Type()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		if h.Name = name; d.IsDir() {
			h.Name += "/"
		}
		h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime = 0, 0, "", "", time.Time{}
		if err := w.WriteHeader(h); err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
}
