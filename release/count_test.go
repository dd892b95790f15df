package release_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestOneOfAThingIsNotSeveral(t *testing.T) {
	for want, got := range map[string]string{
		"0 hosts": release.Count(0, "host"), "1 host": release.Count(1, "host"), "2 hosts": release.Count(2, "host"),
		"1 repository": release.Count(1, "repository"), "3 repositories": release.Count(3, "repository"),
		"1 day": release.Count(1, "day"), "2 days": release.Count(2, "day"), "1 more host": release.Count(1, "more host"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
