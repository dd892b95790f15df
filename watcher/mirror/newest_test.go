package mirror

import "testing"

func TestTheNewestTagIsChosen(t *testing.T) {
	for _, c := range []struct {
		pattern string
		tags    []string
		want    string
	}{
		{"v*", []string{"v1.9.0", "v1.10.0", "v1.2.0"}, "v1.10.0"},
		{"v*", []string{"v2.0.0-rc.1", "v1.0.0"}, "v1.0.0"},
		{"v*", []string{"v2.0.0-rc.1"}, ""},
		{"v*-*", []string{"v2.0.0-rc.1", "v2.0.0-rc.2", "v2.0.0-rc.10"}, "v2.0.0-rc.10"},
		{"*", []string{"zebra", "v1.0.0", "apple"}, "v1.0.0"},
		{"build-*", []string{"build-9", "build-10", "build-010a"}, "build-010a"},
		{"deploy-*", []string{"deploy-2026-11-22", "deploy-2026-11-23", "deploy-2026-10-30"}, "deploy-2026-11-23"},
		{"v*", []string{"v1", "v3", "v2"}, "v3"},
		{"release/v*", []string{"release/v1.1", "release/v1.2"}, "release/v1.2"},
		{"v*", []string{"w1"}, ""},
	} {
		ch, err := newChoice(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		ch.head("refs/heads/main")
		for _, tag := range c.tags {
			if _, err := ch.line([]byte("0123456789012345678901234567890123456789 refs/tags/" + tag)); err != nil {
				t.Fatal(err)
			}
		}
		want := c.want
		if want != "" {
			want = "refs/tags/" + want
		}
		if ch.name != want {
			t.Errorf("%s of %v = %q, want %q", c.pattern, c.tags, ch.name, want)
		}
	}
}
