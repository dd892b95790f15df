package mirror_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// listing is what a server with n refs answers.
func listing(n int, service string) []byte {
	const sha = "0123456789012345678901234567890123456789"
	var b bytes.Buffer
	line := func(s string) { fmt.Fprintf(&b, "%04x%s", len(s)+4, s) }
	if service != "" {
		line("# service=" + service + "\n")
		b.WriteString("0000")
	}
	line(sha + " HEAD\x00side-band-64k shallow filter symref=HEAD:refs/heads/main\n")
	for i := range n {
		line(fmt.Sprintf("%s refs/heads/%06d\n", sha, i))
	}
	line(sha + " refs/heads/main\n")
	b.WriteString("0000")
	return b.Bytes()
}

// serveListing answers every request with the same listing.
func serveListing(t testing.TB, n int) string {
	t.Helper()
	body := listing(n, "git-upload-pack")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// serveListingSSH answers every command so.
func serveListingSSH(t testing.TB, n int) (addr, known string, key ssh.Signer) {
	t.Helper()
	body := listing(n, "")
	config := &ssh.ServerConfig{NoClientAuth: true}
	host := mirrortest.NewKey(t, "host")
	config.AddHostKey(host)
	addr = mirrortest.Talk(t, func(raw net.Conn) {
		conn, chans, reqs, err := ssh.NewServerConn(raw, config)
		if err != nil {
			return
		}
		defer conn.Close()
		go ssh.DiscardRequests(reqs)
		for c := range chans {
			channel, requests, err := c.Accept()
			if err != nil {
				return
			}
			go func() {
				for r := range requests {
					_ = r.Reply(r.Type == "exec", nil)
					if r.Type == "exec" {
						_, _ = channel.Write(body)
						_, _ = channel.Read(make([]byte, 4))
						channel.Close()
					}
				}
			}()
		}
	})
	return addr, mirrortest.WriteKnownHosts(t, addr, host.PublicKey()), mirrortest.NewKey(t, "client")
}

// cpu is the processor time this process has used.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The server's work is in the figures, too: it runs in this process.
func BenchmarkAQuietPoll(b *testing.B) {
	overHTTP := func(refs int) func(b *testing.B) mirror.Remote {
		return func(b *testing.B) mirror.Remote { return mirror.Remote{URL: serveListing(b, refs) + "/shop.git"} }
	}
	overSSH := func(b *testing.B) mirror.Remote {
		addr, known, key := serveListingSSH(b, 20)
		return mirror.Remote{URL: "ssh://git@" + addr + "/shop.git", Auth: mirror.Auth{Signers: []ssh.Signer{key}, KnownHosts: []string{known}}}
	}
	local := func(b *testing.B) mirror.Remote {
		repo := mirrortest.NewRepo(b, b.TempDir(), "shop.git")
		repo.Commit("one", nil)
		return mirror.Remote{URL: repo.Dir}
	}
	for _, c := range []struct {
		name   string
		remote func(b *testing.B) mirror.Remote
	}{
		{"http 20 refs", overHTTP(20)}, {"http 20000 refs", overHTTP(20_000)}, {"ssh 20 refs", overSSH}, {"path", local},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := openIn(b, b.TempDir(), c.remote(b))
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if _, err := m.Tip(b.Context(), "main"); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// TestAHundredRepositoriesAreCheapToPoll polls from a process of its own, so
// that the server's memory and work are not counted. The figures promised are
// 2 ms of processor time a poll and 40 MiB; it fails at five times the former
// and at the latter.
func TestAHundredRepositoriesAreCheapToPoll(t *testing.T) {
	const repos, rounds = 100, 5
	if base := os.Getenv("FAIRLEAD_TEST_POLL"); base != "" {
		pollMany(t, base, repos, rounds)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "FAIRLEAD_TEST_POLL="+serveListing(t, 100))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kib, each := figure(t, out, "peak-kib="), time.Duration(figure(t, out, "cpu-ns="))
	t.Logf("%d repositories on %d processors: %d KiB at most, %v a poll", repos, runtime.NumCPU(), kib, each)
	if kib > 40<<10*memoryFactor {
		t.Errorf("%d KiB, want at most 40 MiB", kib)
	}
	if each > 5*2*time.Millisecond {
		t.Errorf("%v of processor time a poll, promised are 2 ms", each)
	}
}

func pollMany(t *testing.T, base string, repos, rounds int) {
	pool := mirror.NewPool(t.TempDir())
	defer pool.Close()
	before := cpu(t)
	var wg sync.WaitGroup
	for n := range repos {
		m, err := pool.Open(mirror.Remote{Name: strconv.Itoa(n), URL: fmt.Sprintf("%s/%d.git", base, n)})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range rounds {
				if _, err := m.Tip(t.Context(), "main"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	fmt.Printf("peak-kib=%d \ncpu-ns=%d \n", peak(t), int64(cpu(t)-before)/int64(repos*rounds))
}

// figure reads the number behind a name.
func figure(t *testing.T, out []byte, name string) int64 {
	t.Helper()
	_, rest, ok := strings.Cut(string(out), name)
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		t.Fatalf("no %s in %s", name, out)
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// peak is the most memory that this process ever had, in KiB.
func peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	check(t, err)
	return figure(t, bytes.ReplaceAll(status, []byte("VmHWM:\t"), []byte("VmHWM=")), "VmHWM=")
}
