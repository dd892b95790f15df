package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func TestWhatAnAppSaysOfItsSecretsIsNotPassedOn(t *testing.T) {
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var c confidant
	for _, value := range []string{"hunter2-old", "hunter2-new"} { // a rotation
		source := secret.Source{secret.Env{Names: []string{"DB"}, LookupEnv: func(string) (string, bool) { return value, true }}}
		if v, ok, err := source.Told(c.hears("shop")).Lookup("DB"); v.Reveal() != value || !ok || err != nil {
			t.Fatalf("looked up %v, %v", ok, err)
		}
	}
	lines := []string{"cannot log in with hunter2-new", "nor with hunter2-old"}
	failure := &release.Failure{Class: release.Verdict, Step: "await health", Message: "web said hunter2-new", Probes: []string{"GET /up?key=hunter2-new: 500"}, Logs: lines}
	r := release.Release{ID: release.NewID(time.Now(), release.Revision{SHA: strings.Repeat("a", 40)}, 1), Lane: release.Lane{Service: "shop"},
		Status: release.Failed, Failure: failure, Reason: "failed: " + failure.Error()}
	if _, err := newMemory(s, &c).Releases.Save(t.Context(), r, release.Event{Message: r.Reason}); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	stored, err := s.Release(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []release.Release{stored, *events[0].Release} {
		told := fmt.Sprintf("%+v %+v %s", kept, *kept.Failure, events[0].Message)
		if strings.Contains(told, "hunter2") || strings.Count(told, secret.Redacted) < 6 {
			t.Errorf("it is told: %s", told)
		}
	}
	if failure.Logs[0] != "cannot log in with hunter2-new" {
		t.Error("the deployer's own failure was changed")
	}
}
