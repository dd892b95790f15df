package program_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
)

// big is a program of 64 MB on disk.
func big(t *testing.T) (file string, content program.Content) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "fairlead")
	if err := os.WriteFile(file, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 64<<20); err != nil {
		t.Fatal(err)
	}
	content, err := program.OnDisk(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, content
}

func archived(t *testing.T, content program.Content) program.Content {
	t.Helper()
	archive, err := program.Archive(program.Proxy("amd64", content, []byte("roots")))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestTheProgramGoesToManyHostsWithoutBeingHeldInMemory(t *testing.T) {
	_, content := big(t)
	archive := archived(t, content)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var sums []string
	for range 3 {
		r, err := archive.Open()
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, r)
		if err != nil || n < 64<<20 {
			t.Fatalf("%d bytes, %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		sums = append(sums, hex.EncodeToString(sum.Sum(nil)))
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
		t.Errorf("reading it thrice allocated %d KiB", took>>10)
	}
	if sums[0] != sums[1] || sums[1] != sums[2] {
		t.Errorf("the same contents give other bytes: %q", sums)
	}
}

func TestTheArchiveNamesItsLayerByItsDigest(t *testing.T) {
	_, content := big(t)
	r, err := archived(t, content).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	layer := sha256.New()
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch h.Name {
		case "layer.tar":
			_, err = io.Copy(layer, files)
		case "manifest.json":
		default:
			err = json.NewDecoder(files).Decode(&config)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := "sha256:" + hex.EncodeToString(layer.Sum(nil)); len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != want {
		t.Errorf("it names %q, and the layer is %s", config.RootFS.DiffIDs, want)
	}
}

func TestAProgramThatIsReplacedMeanwhileIsAnErrorAndNoHalfArchive(t *testing.T) {
	file, content := big(t)
	archive := archived(t, content)
	if err := os.Truncate(file, 63<<20); err != nil {
		t.Fatal(err)
	}
	r, err := archive.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err == nil {
		t.Error("no error")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReaderThatGoesEarlyLeavesNobodyWriting(t *testing.T) {
	_, content := big(t)
	r, err := archived(t, content).Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil { // it waits for the writer
		t.Error(err)
	}
}
