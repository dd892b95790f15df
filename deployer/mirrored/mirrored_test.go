package mirrored_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/mirrored"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

var (
	_ rollout.Images  = mirrored.Host{}
	_ rollout.Cleaner = mirrored.Host{}
)

var digest = "@sha256:" + strings.Repeat("a", 64)

// engine is a host's engine as Docker's image store without containerd is: an
// image keeps the names under which it came, and is gone with the last of them.
type engine struct {
	names  map[string]string // reference → id
	serves map[string]string // what registries have
	fails  map[string]error
	pulls  []string // REFERENCE by ACCOUNT
}

func (e *engine) Image(_ context.Context, ref string) (docker.Image, error) {
	id, ok := e.names[ref]
	if !ok {
		id = ref
	}
	i := docker.Image{ID: id}
	for _, name := range slices.Sorted(maps.Keys(e.names)) {
		if e.names[name] != id {
			continue
		}
		if strings.Contains(name, "@") {
			i.RepoDigests = append(i.RepoDigests, name)
		} else {
			i.RepoTags = append(i.RepoTags, name)
		}
	}
	if len(i.RepoTags)+len(i.RepoDigests) == 0 {
		return docker.Image{}, docker.ErrNotFound
	}
	return i, nil
}

func (e *engine) Pull(_ context.Context, ref string, auth docker.Auth, _ func(string)) error {
	e.pulls = append(e.pulls, ref+" by "+auth.Username)
	if err := e.fails[ref]; err != nil {
		return err
	}
	id, ok := e.serves[ref]
	if !ok {
		return fmt.Errorf("pull %s: %w", ref, docker.ErrImageNotFound)
	}
	e.names[ref] = id
	return nil
}

func (e *engine) Tag(ctx context.Context, id, ref string) error {
	i, err := e.Image(ctx, id)
	if err == nil {
		e.names[ref] = i.ID
	}
	return err
}

func (e *engine) Remove(context.Context, string) error { return nil }

func (e *engine) RemoveImage(_ context.Context, ref string) error {
	delete(e.names, ref)
	return nil
}

func mirrors(t *testing.T) mirrored.Mirrors {
	t.Helper()
	c, err := registry.New(registry.Options{Hosts: map[string]registry.Host{
		"docker.io": {Mirror: "mirror.example.com/hub", MirrorAuth: registry.Auth{Username: "reader"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return mirrored.By(c)
}

func TestAnImageComesByTheMirrorAndHasTheNameThatTheFileSays(t *testing.T) {
	e := &engine{names: map[string]string{}, serves: map[string]string{
		"mirror.example.com/hub/library/postgres" + digest: "id1",
		"mirror.example.com/hub/library/redis:7":           "id2",
		"ghcr.io/acme/shop" + digest:                       "id3",
	}}
	h := mirrored.New(e, e, mirrors(t))
	for _, ref := range []string{"postgres" + digest, "redis:7", "ghcr.io/acme/shop" + digest} {
		if err := h.Pull(t.Context(), ref, docker.Auth{Username: "shop"}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Image(t.Context(), ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := h.Tag(t.Context(), "postgres"+digest, "postgres:15"); err != nil {
		t.Fatal(err)
	}
	if i, err := e.Image(t.Context(), "postgres:15"); err != nil || i.ID != "id1" {
		t.Errorf("got %v, %v", i, err)
	}
	want := []string{
		"mirror.example.com/hub/library/postgres" + digest + " by reader", "mirror.example.com/hub/library/redis:7 by reader",
		"ghcr.io/acme/shop" + digest + " by shop",
	}
	if !slices.Equal(e.pulls, want) {
		t.Errorf("it pulled\n%s, want\n%s", strings.Join(e.pulls, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatTheMirrorDoesNotGiveTheRegistryDoes(t *testing.T) {
	e := &engine{names: map[string]string{}, serves: map[string]string{"postgres:15": "id1"}}
	h := mirrored.New(e, e, mirrors(t))
	if err := h.Pull(t.Context(), "postgres:15", docker.Auth{Username: "shop"}, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"mirror.example.com/hub/library/postgres:15 by reader", "postgres:15 by shop"}; !slices.Equal(e.pulls, want) {
		t.Errorf("it pulled %q, want %q", e.pulls, want)
	}
	err := h.Pull(t.Context(), "redis:7", docker.Auth{}, nil)
	if !errors.Is(err, docker.ErrImageNotFound) || !strings.HasPrefix(err.Error(), "pull redis:7") || !strings.Contains(err.Error(), "mirror.example.com/hub/library/redis:7") {
		t.Errorf("what neither has: %v", err)
	}
	e.pulls, e.fails = nil, map[string]error{"mirror.example.com/hub/library/redis:8": docker.ErrDiskFull}
	if err := h.Pull(t.Context(), "redis:8", docker.Auth{}, nil); !errors.Is(err, docker.ErrDiskFull) || len(e.pulls) != 1 {
		t.Errorf("on a full disk: %v after %q", err, e.pulls)
	}
}

func TestWithItsLastNameTheMirrorsNameGoesToo(t *testing.T) {
	m := "mirror.example.com/hub/library/postgres"
	e := &engine{names: map[string]string{m + digest: "id1", "postgres:15": "id1", "postgres:latest": "id1", "other/copy:1": "id1", "postgres:14": "id2"}}
	h := mirrored.New(e, e, mirrors(t))
	for _, step := range []struct{ remove, left string }{
		{"postgres:15", m + digest + " other/copy:1 postgres:14 postgres:latest"},
		{"postgres:latest", "other/copy:1 postgres:14"},
		{"postgres:14", "other/copy:1"},
		{"postgres:13", "other/copy:1"},
	} {
		if err := h.RemoveImage(t.Context(), step.remove); err != nil {
			t.Fatal(err)
		}
		if left := strings.Join(slices.Sorted(maps.Keys(e.names)), " "); left != step.left {
			t.Errorf("after %s there is %q, want %q", step.remove, left, step.left)
		}
	}
}
