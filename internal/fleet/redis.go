package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Redis makes the image of a real Redis FROM scratch, as Postgres makes its
// own. It starts in /data, and its command is redis-server.
func Redis(ctx context.Context, dir string) (Image, error) {
	r := rooted{from: []string{filepath.Join(dir, "packages"), "/"}, to: filepath.Join(dir, "root")}
	if err := r.redis(ctx); err != nil {
		return Image{}, fmt.Errorf("make the Redis image: %w", err)
	}
	return Image{Root: r.to, Path: "/usr/bin/redis-server", Cmd: []string{"redis-server"}, Dir: "/data", Ports: []string{"6379/tcp"},
		Env: map[string]string{"PATH": "/usr/bin:/bin"}}, nil
}

func (r rooted) redis(ctx context.Context) error {
	for _, to := range []string{r.from[0], filepath.Join(r.to, "data"), filepath.Join(r.to, "usr/lib64")} {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
	}
	programs := []string{"/usr/bin/redis-server", "/usr/bin/redis-cli"}
	if _, err := r.find(programs[0]); err != nil {
		names, err := missingFor(ctx, "redis-server")
		if err == nil {
			err = unpack(ctx, r.from[0], names)
		}
		if err != nil {
			return err
		}
	}
	for _, path := range programs {
		if err := r.copy(path, path); err != nil {
			return err
		}
	}
	for _, name := range []string{"lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(r.to, name)); err != nil {
			return err
		}
	}
	return r.libraries(ctx, programs)
}
