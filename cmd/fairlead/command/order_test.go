package command

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestWithoutADaemonNothingIsAdvisedThatNeedsOne(t *testing.T) {
	verdict := &release.Failure{Class: release.Verdict, Next: "read the log lines above, mend the app and push; `fairlead retry` tries the same commit again"}
	for name, tt := range map[string]struct {
		r    release.Release
		want string
	}{
		"a release that failed": {release.Release{Status: release.RolledBack}, "mend it and push; then `fairlead deploy` again"},
		"one with its own advice": {release.Release{Status: release.RolledBack, Failure: verdict},
			"read the log lines above, mend the app and push; then `fairlead deploy` again"},
		"a rollback that was refused": {release.Release{Status: release.Failed, Failure: &release.Failure{Step: "roll back"}},
			"`docker ps -a` on a host shows the versions that are there; `fairlead rollback VERSION` goes to one"},
		"a rollback that was refused and says how to go on": {
			release.Release{Status: release.Failed, Failure: &release.Failure{Step: "roll back", Next: "name a version"}}, "name a version"},
		"one that waits":   {release.Release{Status: release.Waiting}, "put it right and run the command again; it goes on from here"},
		"one that is well": {release.Release{Status: release.Succeeded}, ""},
	} {
		if got := alone(tt.r, show.Next(tt.r)); got != tt.want {
			t.Errorf("%s: got %q; want %q", name, got, tt.want)
		}
	}
}

func TestWhatTheLastLineLeavesOutIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		r    release.Release
		want string
	}{
		"said already": {release.Release{Reason: "web: exit code 3; going back", Failure: &release.Failure{Step: "start", Message: "web: exit code 3"}}, ""},
		"mistakes of deploy.yml": {release.Release{Reason: "deploy.yml cannot be used", Failure: &release.Failure{Step: "read deploy.yml", Message: "deploy.yml:1:1: a\ndeploy.yml:2:1: b"}},
			"  read deploy.yml: deploy.yml:1:1: a\n  deploy.yml:2:1: b\n"},
	} {
		if got := cause(tt.r); got != tt.want {
			t.Errorf("%s: got %q; want %q", name, got, tt.want)
		}
	}
}
