package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Postgres makes the image of a real PostgreSQL FROM scratch, of Debian's
// packages: those of this machine where it has them, else downloaded and
// unpacked into dir, which also gets the image's root folder. Nothing is
// installed. As with Docker Hub's, the server runs as user postgres (999), has
// its data in /var/lib/postgresql/data, and makes that at its first start, with
// the database that POSTGRES_DB names. It asks for no password.
func Postgres(ctx context.Context, dir string) (Image, error) {
	unpacked, root := filepath.Join(dir, "packages"), filepath.Join(dir, "root")
	if err := os.MkdirAll(unpacked, 0o755); err != nil {
		return Image{}, fmt.Errorf("make the PostgreSQL image: %w", err)
	}
	if len(postgresHere("/")) == 0 {
		names, err := missingFor(ctx, "postgresql", "dash", "coreutils", "util-linux")
		if err == nil {
			err = unpack(ctx, unpacked, names)
		}
		if err != nil {
			return Image{}, fmt.Errorf("make the PostgreSQL image: %w", err)
		}
	}
	r := rooted{from: []string{unpacked, "/"}, to: root}
	if err := r.postgres(ctx); err != nil {
		return Image{}, fmt.Errorf("make the PostgreSQL image: %w", err)
	}
	return Image{Root: root, Path: "/bin/sh", Cmd: []string{"/start"}, Ports: []string{"5432/tcp"},
		Env: map[string]string{"PATH": "/usr/bin:/bin"}}, nil
}

// postgresHere are the folders of PostgreSQL's programs below a root.
func postgresHere(root string) []string {
	found, _ := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/bin/postgres")) // the pattern is right
	for i, f := range found {
		found[i] = strings.TrimPrefix(filepath.Dir(f), strings.TrimSuffix(root, "/"))
	}
	return found
}

// missingFor is what apt would install for packages that this machine lacks, but
// for the compiler that PostgreSQL can do without.
func missingFor(ctx context.Context, packages ...string) ([]string, error) {
	args := append([]string{"apt-get", "install", "--simulate", "--no-install-recommends"}, packages...)
	out, err := command(ctx, nil, args...)
	if err != nil {
		return nil, fmt.Errorf("look for packages: %w; try apt-get update first", err)
	}
	var names []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Inst" && !strings.HasPrefix(fields[1], "libllvm") {
			names = append(names, fields[1])
		}
	}
	return names, nil
}

// start is the image's program.
const postgresStart = `set -e
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$data"
	chown -R postgres:postgres "$data"
	chmod 700 "$data"
	exec setpriv --reuid=postgres --regid=postgres --clear-groups /bin/sh /start "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
	initdb --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync >/dev/null
	echo "host all all all trust" >>"$data/pg_hba.conf"
	if [ -n "$POSTGRES_DB" ]; then
		echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$data" postgres >/dev/null
	fi
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql,/tmp "$@"
`

// rooted copies files into a root folder, each from the first of several roots
// that has it.
type rooted struct {
	from []string
	to   string
}

func (r rooted) postgres(ctx context.Context) error {
	var bin string
	for _, root := range r.from {
		if found := postgresHere(root); len(found) > 0 && bin == "" {
			bin = found[len(found)-1]
		}
	}
	if bin == "" {
		return errors.New("the packages have no PostgreSQL")
	}
	version := filepath.Base(filepath.Dir(bin))
	var programs []string
	for _, name := range []string{"postgres", "initdb", "psql", "pg_dump", "pg_isready"} {
		programs = append(programs, filepath.Join(bin, name))
	}
	tools := []string{"/bin/sh", "/usr/bin/mkdir", "/usr/bin/cat", "/usr/bin/rm", "/usr/bin/date", "/usr/bin/stat",
		"/usr/bin/id", "/usr/bin/chown", "/usr/bin/chmod", "/usr/bin/setpriv"}
	folders := []string{filepath.Join(filepath.Dir(bin), "lib"), filepath.Join("/usr/share/postgresql", version)}
	for _, path := range slices.Concat(folders, []string{"/usr/share/zoneinfo/Etc/UTC"}) {
		if err := r.copyTree(path); err != nil {
			return err
		}
	}
	for i, path := range slices.Concat(programs, tools) {
		to := filepath.Join("/usr/bin", filepath.Base(path))
		if i < len(programs) { // they look for their files beside themselves
			to = path
		}
		if err := r.copy(path, to); err != nil {
			return err
		}
	}
	modules := []string{filepath.Join(folders[0], "plpgsql.so"), filepath.Join(folders[0], "dict_snowball.so")}
	if err := r.libraries(ctx, slices.Concat(programs, tools, modules)); err != nil {
		return err
	}
	for _, path := range programs {
		if err := os.Symlink(path, filepath.Join(r.to, "usr/bin", filepath.Base(path))); err != nil {
			return err
		}
	}
	for _, link := range [][2]string{{"usr/bin", "bin"}, {"usr/lib", "lib"}, {"usr/lib64", "lib64"}} {
		if err := os.MkdirAll(filepath.Join(r.to, link[0]), 0o755); err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(r.to, link[1])); errors.Is(err, fs.ErrNotExist) {
			if err := os.Symlink(link[0], filepath.Join(r.to, link[1])); err != nil {
				return err
			}
		}
	}
	for name, text := range map[string]string{
		"start":      postgresStart,
		"etc/passwd": "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n",
		"etc/group":  "root:x:0:\npostgres:x:999:\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.to, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.to, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(r.to, "var/lib/postgresql"), 0o755); err != nil {
		return err
	}
	var errs []error
	for _, dir := range []string{"tmp", "var/run/postgresql"} { // for sockets
		dir = filepath.Join(r.to, dir)
		errs = append(errs, os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o777|fs.ModeSticky))
	}
	return errors.Join(errs...)
}

// find is where a file is on this machine.
func (r rooted) find(path string) (string, error) {
	for _, root := range r.from {
		if real, err := filepath.EvalSymlinks(filepath.Join(root, path)); err == nil {
			return real, nil
		}
	}
	return "", fmt.Errorf("%s: %w", path, fs.ErrNotExist)
}

// copy copies what a path leads to, in place of links.
func (r rooted) copy(path, to string) error {
	from, err := r.find(path)
	if err != nil {
		return err
	}
	// Below /usr, where the root's links lead.
	for _, dir := range []string{"/bin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(to, dir) {
			to = "/usr" + to
		}
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	to = filepath.Join(r.to, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}

// copyTree copies a folder, or a file, without PostgreSQL's compiled code for
// its own compiler.
func (r rooted) copyTree(path string) error {
	root, err := r.find(path)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bitcode" || d.Name() == "pgxs"):
			return filepath.SkipDir
		case d.IsDir(), strings.HasPrefix(d.Name(), "llvmjit"):
			return nil
		}
		name := path + strings.TrimPrefix(p, root)
		return r.copy(name, name)
	})
}

// libraries copies the shared libraries that programs and modules need, as the
// loader finds them.
func (r rooted) libraries(ctx context.Context, programs []string) error {
	where := ""
	for _, dir := range []string{"lib", "usr/lib"} {
		found, _ := filepath.Glob(filepath.Join(r.from[0], dir, "*-linux-gnu")) // the pattern is right
		where += strings.Join(found, ":") + ":"
	}
	args := []string{"env", "LD_LIBRARY_PATH=" + where, "ldd"}
	for _, p := range programs {
		real, err := r.find(p)
		if err != nil {
			return err
		}
		args = append(args, real)
	}
	out, err := command(ctx, nil, args...)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out) {
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "/") && strings.Contains(filepath.Base(word), ".so") && !strings.HasSuffix(word, ":") {
				seen[strings.TrimPrefix(word, strings.TrimSuffix(r.from[0], "/"))] = true
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(seen)) {
		if err := r.copy(path, path); err != nil {
			return err
		}
	}
	return nil
}
