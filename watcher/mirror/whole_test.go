package mirror_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

func TestAWholeCommitIsLentByEveryDoor(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git").AllowPartial()
	big := strings.Repeat("0123456789", 300_000) // more than a deploy file may have
	repo.Commit("one", map[string]string{"Dockerfile": "FROM scratch\n", "app/deep/b": "old", "app/big": big, "gone": "x"})
	first, err := open(t, repo.Dir).Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	repo.Commit("two", map[string]string{"app/deep/b": "new"})
	server := mirrortest.ServeHTTP(t, filepath.Dir(repo.Dir))
	for name, url := range map[string]string{"folder": repo.Dir, "http": server.URL + "/shop.git"} {
		t.Run(name, func(t *testing.T) {
			m := open(t, url)
			tip, err := m.Tip(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			for sha, want := range map[string]string{tip.SHA: "new", first.SHA: "old"} {
				at := tip
				if sha != tip.SHA {
					at = tip.Earlier(sha)
				}
				err := m.Whole(t.Context(), at, func(files fs.FS) error {
					if got, err := fs.ReadFile(files, "app/deep/b"); string(got) != want || err != nil {
						t.Errorf("app/deep/b of %s is %q, %v", sha[:7], got, err)
					}
					if got, err := fs.ReadFile(files, "app/big"); string(got) != big || err != nil {
						t.Errorf("app/big of %s has %d bytes, %v", sha[:7], len(got), err)
					}
					return fstest.TestFS(files, "Dockerfile", "app/deep/b", "app/big", "gone")
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}
