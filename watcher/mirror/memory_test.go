//go:build !race

package mirror_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// noise is content that no packing makes smaller.
func noise(seed uint64, size int) string {
	var b strings.Builder
	for n := uint64(0); b.Len() < size; n++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), n))
		b.Write(sum[:])
	}
	return b.String()
}

// TestACommitOfManyMegabytesIsFetchedToDiskAndNotHeldInMemory fetches from a
// process of its own, so that the server's memory is not counted, and where no
// partial fetch is allowed: all of the commit comes.
func TestACommitOfManyMegabytesIsFetchedToDiskAndNotHeldInMemory(t *testing.T) {
	const files, each, most = 640, 128 << 10, 20 << 10 // 80 MiB; KiB
	if url := os.Getenv("FAIRLEAD_TEST_FETCH"); url != "" {
		fetchLarge(t, url)
		return
	}
	root := t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git")
	content := map[string]string{"config/deploy.yml": "service: shop\n"}
	for n := range files {
		content[fmt.Sprintf("assets/%d/%d", n%20, n)] = noise(uint64(n), each)
	}
	repo.Commit("one", content)
	server := mirrortest.ServeHTTP(t, root)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "FAIRLEAD_TEST_FETCH="+server.URL+"/shop.git")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	more, copied := figure(t, out, "more-kib="), figure(t, out, "copied-kib=")
	t.Logf("%d KiB were copied with %d KiB more memory at most", copied, more)
	if copied < files*each>>10 {
		t.Errorf("%d KiB were copied, the commit has %d: this is no shallow fetch", copied, files*each>>10)
	}
	if more > most {
		t.Errorf("the fetch took %d KiB more, at most %d", more, most)
	}
}

func fetchLarge(t *testing.T, url string) {
	copies := t.TempDir()
	m := openIn(t, copies, mirror.Remote{Name: "shop", URL: url})
	tip, err := m.Tip(t.Context(), "main")
	check(t, err)
	before := peak(t)
	snap, err := m.Fetch(t.Context(), tip, []string{"config/deploy.yml"})
	check(t, err)
	after := peak(t)
	wantFile(t, snap.Files, "config/deploy.yml", "service: shop\n")
	var size int64
	for _, at := range find(t, copies, ".pack") {
		info, err := os.Stat(at)
		check(t, err)
		size += info.Size()
	}
	fmt.Printf("more-kib=%d \ncopied-kib=%d \n", after-before, size>>10)
}
