package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/proxy"
)

var released = flag.Bool("release-proxy", false, "note that the proxy is released as it is now")

// The image of our proxy is kept on hosts by its tag: a proxy that changed and
// kept the tag of one that was released would never reach them.
// testdata/proxies.txt has each released version and the sum of its source;
// releasing adds a line: go test ./daemon -run AProxyThatChanged -release-proxy
func TestAProxyThatChangedHasAnotherVersion(t *testing.T) {
	if program.ImageTag != proxy.Version {
		t.Errorf("the image's tag is %s, and the proxy in it says %s", program.ImageTag, proxy.Version)
	}
	const file = "testdata/proxies.txt"
	list, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sumOf(t, "../proxy")
	noted, same := among(string(list), proxy.Version, sum)
	if noted && !same {
		t.Errorf("the proxy is another than the one that was released as %s: count proxy.Version and program.ImageTag up", proxy.Version)
	}
	if !noted && *released {
		if err := os.WriteFile(file, append(list, proxy.Version+" "+sum+"\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// among tells whether a version was released, and with this sum.
func among(list, version, sum string) (noted, same bool) {
	for line := range strings.Lines(list) {
		if name, noted, _ := strings.Cut(strings.TrimSpace(line), " "); name == version {
			return true, noted == sum
		}
	}
	return false, false
}

func TestAReleasedProxyIsKnownByItsSource(t *testing.T) {
	const list = "# comment\nv1 aa\nv2 bb\n"
	for _, tt := range []struct {
		version, sum string
		noted, same  bool
	}{{"v1", "aa", true, true}, {"v2", "cc", true, false}, {"v3", "bb", false, false}} {
		if noted, same := among(list, tt.version, tt.sum); noted != tt.noted || same != tt.same {
			t.Errorf("%s %s: %t, %t", tt.version, tt.sum, noted, same)
		}
	}
}

// sumOf sums up the source of a folder's packages, tests left out.
func sumOf(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "test/") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write([]byte(filepath.ToSlash(name) + "\n"))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
