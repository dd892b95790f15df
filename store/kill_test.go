package store_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

var kills = flag.Int("store.kills", 300, "how often the writer is killed")

// killsPerFolder is how many kills one database goes through: as it grows, so
// does the time to check it.
const killsPerFolder = 50

// writerEnv makes the test binary the writer that is killed.
const writerEnv = "FAIRLEAD_STORE_TEST_WRITER"

func TestMain(m *testing.M) {
	if done, err := tappedMain(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	} else if done {
		os.Exit(0)
	}
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writeForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if dir := os.Getenv(upgraderEnv); dir != "" {
		if err := upgrade(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writers is how many write at the same time, as the lanes of a daemon do: what
// waits together is one transaction.
const writers = 4

// writeForever saves releases and, after each, says its id: the ack.
func writeForever(dir string) error {
	s, err := store.Open(context.Background(), dir, store.Options{})
	if err != nil {
		return err
	}
	last, err := s.LastSeq(context.Background())
	if err != nil {
		return err
	}
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := last; ; i++ {
				r := release.Release{ID: release.ID(fmt.Sprintf("r%d-%d", i, w)), Lane: release.Lane{Service: "shop"}, Status: release.Succeeded,
					Reason: strings.Repeat("x", int(i*37%3000))}
				if _, err := s.Save(context.Background(), r, release.Event{}); err != nil {
					failed <- err
				}
				if err := s.Intend(context.Background(), r.ID, "step", []byte("payload")); err != nil {
					failed <- err
				}
				fmt.Println(r.ID)
			}
		}()
	}
	return <-failed
}

func TestNothingAckedIsLostWhenTheDaemonIsKilled(t *testing.T) {
	acks := 0
	for left := *kills; left > 0; left -= killsPerFolder {
		dir := t.TempDir()
		acked := map[release.ID]bool{}
		for range min(left, killsPerFolder) {
			fresh := map[release.ID]bool{}
			for _, id := range killOnce(t, dir) {
				acked[id], fresh[id] = true, true
			}
			checkAcked(t, dir, fresh)
		}
		checkAcked(t, dir, acked)
		acks += len(acked)
	}
	if acks < *kills {
		t.Errorf("only %d writes were acked in %d cycles: the writer was killed too early to prove anything", acks, *kills)
	}
	t.Logf("%d kills, %d acknowledged writes of a release, its event and an effect: none lost", *kills, acks)
}

// killOnce starts the writer, kills it some acks later, and returns the acks.
func killOnce(t *testing.T, dir string) (ids []release.ID) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	after := 1 + rand.IntN(15)
	lines, armed := bufio.NewReader(out), false
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, release.ID(strings.TrimSpace(line)))
		if len(ids) >= after && !armed {
			armed = true
			// At a random point of the next writes, not right after an ack.
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 || len(ids) < after {
		t.Fatalf("the writer ended by itself after %d acks: %v %s", len(ids), err, stderr.String())
	}
	return ids
}

// checkAcked opens the store, which checks the file, and looks for every ack.
func checkAcked(t *testing.T, dir string, acked map[release.ID]bool) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	events := map[release.ID]bool{}
	for after := int64(0); ; {
		page, err := s.Events(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range page {
			if ev.Seq != after+1 {
				t.Errorf("gap between events %d and %d", after, ev.Seq)
			}
			after = ev.Seq
			events[ev.Release.ID] = true
		}
		if len(page) < 1000 {
			break
		}
	}
	for id := range acked {
		if !events[id] {
			t.Errorf("acked event of %s is lost", id)
		}
		if _, err := s.Release(t.Context(), id); err != nil {
			t.Errorf("acked release %s: %v", id, err)
		}
		if effects, err := s.Effects(t.Context(), id); err != nil || len(effects) != 1 {
			t.Errorf("acked effect of %s: %v %v", id, effects, err)
		}
	}
	for id := range events { // no event without its release: one transaction
		if _, err := s.Release(t.Context(), id); err != nil {
			t.Errorf("event without release %s: %v", id, err)
		}
	}
}
