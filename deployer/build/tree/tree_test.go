package tree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/build/tree"
)

// commit is a tree; a path that ends in "*" is executable, a content "-> X" a
// link, "submodule" a submodule.
func commit(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range files {
		f := &fstest.MapFile{Data: []byte(content), Mode: 0o444, ModTime: time.Now()}
		if bare, ok := strings.CutSuffix(name, "*"); ok {
			name, f.Mode = bare, 0o555
		}
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			f.Mode, f.Data = fs.ModeSymlink|0o444, []byte(to)
		}
		if content == "submodule" {
			f.Mode = fs.ModeIrregular | 0o444
		}
		m[name] = f
	}
	return m
}

// packed is what is in the context, in its order.
func packed(t *testing.T, files fs.FS, o tree.Options) (names []string, dockerfile string, raw []byte) {
	t.Helper()
	var b bytes.Buffer
	dockerfile, err := tree.Write(&b, files, o)
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Clone(b.Bytes())
	r := tar.NewReader(&b)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, dockerfile, raw
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(o.Time.Truncate(time.Second)) {
			t.Errorf("%s is of %d:%d, %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		name := h.Name
		if h.Typeflag == tar.TypeSymlink {
			name += " -> " + h.Linkname
		} else if h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0 {
			name += "*"
		}
		names = append(names, name)
	}
}

func TestAContextIsWhatDockerignoreLeavesOfTheCommit(t *testing.T) {
	base := map[string]string{"Dockerfile": "FROM scratch", "app/a": "1", "app/run*": "2", "app/deep/b": "3", "log/x": "4", "link": "-> app/a"}
	with := func(more map[string]string) map[string]string {
		m := maps.Clone(base)
		maps.Copy(m, more)
		return m
	}
	all := "Dockerfile app/ app/a app/deep/ app/deep/b app/run* link->app/a log/ log/x"
	for name, c := range map[string]struct {
		files      map[string]string
		o          tree.Options
		want, file string
	}{
		"all":                             {base, tree.Options{}, all, "Dockerfile"},
		"a dot means all":                 {base, tree.Options{Context: ".", Dockerfile: "./Dockerfile"}, all, "Dockerfile"},
		"without folders":                 {with(map[string]string{".dockerignore": "log\napp/deep/\n"}), tree.Options{}, ".dockerignore Dockerfile app/ app/a app/run* link->app/a", "Dockerfile"},
		"an exception":                    {with(map[string]string{".dockerignore": "*\n!app/deep\n!Dockerfile\n"}), tree.Options{}, "Dockerfile app/ app/deep/ app/deep/b", "Dockerfile"},
		"the Dockerfile is left out":      {with(map[string]string{".dockerignore": "Dockerfile*\napp\nlog\nlink\n.dockerignore"}), tree.Options{}, tree.Outside, tree.Outside},
		"a folder":                        {with(map[string]string{"app/Dockerfile": "FROM scratch"}), tree.Options{Context: "app", Dockerfile: "app/Dockerfile"}, "Dockerfile a deep/ deep/b run*", "Dockerfile"},
		"a Dockerfile besides the folder": {base, tree.Options{Context: "./app/deep"}, "b " + tree.Outside, tree.Outside},
		"the Dockerfile's own list":       {with(map[string]string{"Dockerfile.dockerignore": "*", ".dockerignore": "app"}), tree.Options{}, tree.Outside, tree.Outside},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Time = time.Unix(1_700_000_000, 500)
			got, file, raw := packed(t, commit(c.files), c.o)
			if words := strings.ReplaceAll(strings.Join(got, " "), " -> ", "->"); words != c.want || file != c.file {
				t.Errorf("the context is %q with %q\n want %q with %q", words, file, c.want, c.file)
			}
			if _, _, again := packed(t, commit(c.files), c.o); !bytes.Equal(raw, again) {
				t.Error("the same commit gave other bytes")
			}
		})
	}
}

func TestWhatIsNotInGitItselfIsRefusedWithWhatToDo(t *testing.T) {
	lfs := "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
	for name, c := range map[string]struct {
		files map[string]string
		o     tree.Options
		path  string
		want  string
	}{
		"a submodule":        {map[string]string{"Dockerfile": "", "vendor/x": "submodule"}, tree.Options{}, "vendor/x", "is a submodule"},
		"a Git LFS file":     {map[string]string{"Dockerfile": "", "a.bin": lfs}, tree.Options{}, "a.bin", "Git LFS"},
		"no Dockerfile":      {map[string]string{"a": ""}, tree.Options{}, "Dockerfile", "builder.dockerfile"},
		"a folder elsewhere": {map[string]string{"Dockerfile": ""}, tree.Options{Context: "../x"}, "../x", "not inside"},
		"no such folder":     {map[string]string{"Dockerfile": ""}, tree.Options{Context: "x"}, "x", "no folder"},
		"a bad pattern":      {map[string]string{"Dockerfile": "", ".dockerignore": "[a"}, tree.Options{}, ".dockerignore", "pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tree.Write(io.Discard, commit(c.files), c.o)
			e, ok := errors.AsType[*tree.Error](err)
			if !ok || e.Path != c.path || !strings.Contains(e.Message, c.want) {
				t.Errorf("err = %v", err)
			}
		})
	}
	left := map[string]string{"Dockerfile": "", "vendor/x": "submodule", "a.bin": lfs, ".dockerignore": "vendor\n*.bin"}
	if got, _, _ := packed(t, commit(left), tree.Options{Time: time.Unix(1, 0)}); slices.Contains(got, "a.bin") {
		t.Errorf("the context has %q", got)
	}
}

func TestAFolderOfThisMachineIsAContextToo(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, mode := range map[string]fs.FileMode{"Dockerfile": 0o600, "run": 0o700} {
		if err := root.WriteFile(name, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Symlink("/etc/passwd", "out"); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := packed(t, root.FS(), tree.Options{Time: time.Unix(1, 0)}); strings.Join(got, " ") != "Dockerfile out -> /etc/passwd run*" {
		t.Errorf("the context is %q", got)
	}
}
