package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// mirror is another registry that has the images of one.
type mirror struct {
	host   name.Registry
	folder string // before the names of repositories; "" for none
	auth   Auth
}

// parseMirror reads [http[s]://]HOST[:PORT][/FOLDER].
func parseMirror(s string) (m mirror, plain bool, err error) {
	rest, plain := strings.CutPrefix(s, "http://")
	rest = strings.TrimRight(strings.TrimPrefix(rest, "https://"), "/")
	host, folder, _ := strings.Cut(rest, "/")
	opts := []name.Option{name.StrictValidation}
	if plain {
		opts = append(opts, name.Insecure)
	}
	m.folder = folder
	if m.host, err = name.NewRegistry(host, opts...); err != nil {
		return m, plain, fmt.Errorf("read mirror %q: %w", s, err)
	}
	if folder != "" {
		if _, err := name.NewRepository(rest); err != nil {
			return m, plain, fmt.Errorf("read mirror %q: %w", s, err)
		}
	}
	return m, plain, nil
}

// reference is where the mirror has an image. Docker Hub's own images are below
// library/ there, too.
func (m mirror) reference(ref name.Reference) name.Reference {
	repo := m.host.Repo(strings.TrimPrefix(m.folder+"/"+ref.Context().RepositoryStr(), "/"))
	if d, ok := ref.(name.Digest); ok {
		return repo.Digest(d.DigestStr())
	}
	return repo.Tag(ref.Identifier())
}

// askMirror spends at most half of the time, so that a mirror that hangs
// leaves the registry its chance.
func (c *Client) askMirror(ctx context.Context, e endpoint, ref name.Reference) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout/2, errNoAnswer)
	defer cancel()
	return c.ask(ctx, e, e.mirror.reference(ref), e.mirror.auth)
}

// Mirrored is where the mirror of ref's registry has the same image, written
// as `docker pull` takes it ("mirror.example.com/library/postgres:15" for
// "postgres:15"), the account there and the mirror's address. ok is false where
// there is no mirror, or ref is no reference.
func (c *Client) Mirrored(ref string) (there string, auth Auth, server string, ok bool) {
	e, parsed, err := c.parse(ref)
	if err != nil || e.mirror == nil {
		return "", Auth{}, "", false
	}
	return e.mirror.reference(parsed).Name(), e.mirror.auth, e.mirror.host.RegistryStr(), true
}
