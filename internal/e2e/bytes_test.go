package e2e_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestWhatCommandsWriteArrivesByteForByteAndAServiceIsBootedStoppedStartedAndTakenAway(t *testing.T) {
	t.Parallel()
	s := begin(t, "bytes")
	s.hosts = s.hosts[:1]
	h := s.hosts[0]
	blob := make([]byte, 3<<20) // has all bytes, and is longer than any buffer on the way
	_, _ = rand.Read(blob)      // never fails
	img := shared.app.Image("v1", nil)
	img.Files = map[string]string{"/blob": string(blob)}
	_, err := shared.fleet.Push(t.Context(), img, s.service+":v1")
	s.do(err)
	s.start()
	s.ends(s.push(s.file("v1").with("x-fairlead", "{ window: 1s }")), release.Succeeded)

	for _, args := range [][]string{
		{"app", "exec", "--raw", "cat /blob"}, {"app", "exec", "--raw", "--reuse", "/app cat /blob"},
		{"server", "exec", "--raw", "docker exec " + s.web("v1") + " /app cat /blob"},
	} {
		if got := []byte(s.only(args...)); !bytes.Equal(got, blob) {
			t.Errorf("%v writes %d bytes, which are not the %d of the file", args, len(got), len(blob))
		}
	}
	s.runs(s.web("v1")) // nothing is left of them

	first := s.one(h, s.web("v1")).ID
	leave := s.visitors()
	s.says(0, "is live on 1 host", "app", "boot", "--skip-hooks", "--follow")
	leave()
	if s.one(h, s.web("v1")).ID == first {
		t.Error("boot made no new container")
	}
	s.says(0, s.web("v1"), "app", "containers")
	s.says(0, s.service+":v1", "app", "images")
	s.says(0, "app v1 ready", "app", "logs", "-n", "5")
	s.says(0, "stopped", "app", "stop")
	s.statuses(http.StatusNotFound)
	s.says(0, "started", "app", "start")
	s.statuses(http.StatusOK)
	s.says(0, "answers with 503", "app", "maintenance", "--drain-timeout", "1s")
	s.statuses(http.StatusServiceUnavailable)
	s.says(0, "serves again", "app", "live")
	s.answers("v1")
	s.says(0, "removed", "app", "remove", "-y")
	s.statuses(http.StatusNotFound)
	out, err := h.Docker(t.Context(), "images", "-q", shared.fleet.Registry+"/"+s.service)
	if s.do(err); out != "" || len(s.containers(h)) > 0 {
		t.Errorf("left are the images %q and %d containers", out, len(s.containers(h)))
	}
}
