package daemon

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/store"
)

// journal is what a daemon logs, for several goroutines.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// rows counts those of every table of a daemon's memory.
func rows(t *testing.T, dir string) map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.FileName)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	count := map[string]int{}
	for list.Next() {
		var name string
		if err := list.Scan(&name); err != nil {
			t.Fatal(err)
		}
		count[name] = 0
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range count {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		count[name] = n
	}
	return count
}

// Nobody may fill a disk, or hide in a log, by calling.
func TestAThousandCallsOfStrangersLeaveNoLineAndNoRow(t *testing.T) {
	dir := t.TempDir()
	bare := filepath.Join(dir, "shop.git")
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", "--bare", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "fairlead.yml")
	text := "repositories:\n  shop: { url: file://" + bare + ", poll: never, webhook: { provider: github, secret: { file: " + filepath.Join(dir, "key") + " } } }\n" +
		"data_dir: " + filepath.Join(dir, "data") + "\nsocket: " + filepath.Join(dir, "api") + "\nlisten: 127.0.0.1:0\nreconcile: never\n"
	for path, text := range map[string]string{file: text, filepath.Join(dir, "key"): "of nobody's business"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var log journal
	d, err := New(t.Context(), Options{Config: c, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	quiet(t, d)
	said, kept := log.String(), rows(t, c.DataDir)
	if len(kept) < 5 {
		t.Fatalf("tables: %v", kept)
	}
	refused := strangers(t, "http://"+d.Addr(), 1000)
	if more := strings.TrimPrefix(log.String(), said); more != "" {
		t.Errorf("of strangers it logs %s", more)
	}
	if now := rows(t, c.DataDir); !maps.Equal(now, kept) {
		t.Errorf("it keeps %v, before it was %v", now, kept)
	}
	if refused != 1000 {
		t.Errorf("%d of 1000 were refused", refused)
	}
}

// quiet waits until a daemon has looked at its one repository.
func quiet(t *testing.T, d *Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if looks, err := d.store.Looks(ctx); err != nil {
			t.Fatal(err)
		} else if len(looks) == 1 && !looks[0].At.IsZero() {
			return
		}
		<-tick.C
	}
}

// strangers call in every way that is refused, and returns how many were.
func strangers(t *testing.T, url string, n int) (refused int) {
	t.Helper()
	for i := range n {
		method, name, body := http.MethodPost, "shop", fmt.Sprintf(`{"ref":"refs/heads/main","n":%d}`, i)
		header := http.Header{"X-Github-Event": {"push"}, "X-Github-Delivery": {fmt.Sprint("stranger-", i)}}
		switch i % 5 {
		case 0: // no signature
		case 1:
			header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		case 2:
			name = fmt.Sprint("guess-", i)
		case 3:
			method = http.MethodPut
		case 4:
			header.Set("Content-Encoding", "gzip")
		}
		req, err := http.NewRequestWithContext(t.Context(), method, url+"/hooks/"+name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode >= 400 && resp.StatusCode < 500 {
			refused++
		}
	}
	return refused
}
