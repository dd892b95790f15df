//go:build !race

package watcher_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// TestAnIdleRepositoryCostsFewBytes looks at what is left of a repository in
// memory once it was fetched: its loop, what it last saw, and its way there.
// Of a thousand, each KiB is one MiB.
func TestAnIdleRepositoryCostsFewBytes(t *testing.T) {
	const n, most = 60, 40 << 10
	for name, partial := range map[string]bool{"a few objects are fetched": true, "a copy is kept": false} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			repo := mirrortest.NewRepo(t, root, "shop.git")
			if partial {
				repo.AllowPartial()
			}
			repo.Commit("One", map[string]string{"config/deploy.yml": "service: shop\nimage: acme/shop\n"})
			server := mirrortest.ServeHTTP(t, root)
			var repos []watcher.Repository
			for i := range n {
				repos = append(repos, watcher.Repository{Name: fmt.Sprint("shop", i), URL: server.URL + "/shop.git", Branch: "main", Poll: time.Hour})
			}
			in := newInbox()
			before := held()
			watch(t, in, repos...)
			for range n {
				in.next(t)
			}
			each := (held() - before) / n
			t.Logf("%d bytes of heap and stacks each", each)
			if each > most {
				t.Errorf("an idle repository takes %d bytes, at most %d", each, most)
			}
		})
	}
}

// held is how many bytes are in use, what nobody needs any more left out.
func held() int64 {
	for range 3 { // pools give back at the second; stacks shrink
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
