package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// instructions reads the last stage of the Dockerfile.
func instructions(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(text), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the last stage of the Dockerfile is not FROM scratch")
	}
	found := map[string][]string{}
	for line := range strings.Lines(last) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			found[name] = append(found[name], rest)
		}
	}
	return found
}

func list(t *testing.T, text string) []string {
	t.Helper()
	var words []string
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return words
}

func TestTheDockerfileMakesTheSameImage(t *testing.T) {
	c, in := contents("fairlead:latest", "amd64", parts{}).Config, instructions(t)
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, k+"="+c.Labels[k])
	}
	stated := strings.Fields(in["LABEL"][0])
	slices.Sort(stated)
	for what, same := range map[string]bool{
		"ENV":        slices.Equal(strings.Fields(in["ENV"][0]), c.Env),
		"LABEL":      slices.Equal(stated, labels),
		"USER":       in["USER"][0] == c.User,
		"WORKDIR":    in["WORKDIR"][0] == c.WorkingDir,
		"ENTRYPOINT": slices.Equal(list(t, in["ENTRYPOINT"][0]), c.Entrypoint),
		"CMD":        slices.Equal(list(t, in["CMD"][0]), c.Cmd),
		"VOLUME":     slices.Equal(list(t, in["VOLUME"][0]), slices.Collect(maps.Keys(c.Volumes))),
		"COPY":       slices.Equal(in["COPY"], []string{"--from=build /out /"}),
	} {
		if !same {
			t.Errorf("%s: the Dockerfile says %q, the image has %+v", what, in[what], c)
		}
	}
	m := regexp.MustCompile(`^--interval=(\S+) --timeout=(\S+) --start-period=(\S+) --retries=3 CMD (\[.*\])$`).FindStringSubmatch(in["HEALTHCHECK"][0])
	if m == nil {
		t.Fatalf("HEALTHCHECK %s", in["HEALTHCHECK"][0])
	}
	for i, want := range []int64{c.Healthcheck.Interval, c.Healthcheck.Timeout, c.Healthcheck.StartPeriod} {
		if d, err := time.ParseDuration(m[i+1]); err != nil || int64(d) != want {
			t.Errorf("HEALTHCHECK %s: %s is not %s", in["HEALTHCHECK"][0], m[i+1], time.Duration(want))
		}
	}
	if c.Healthcheck.Retries != 3 || !slices.Equal(append([]string{"CMD"}, list(t, m[4])...), c.Healthcheck.Test) {
		t.Errorf("HEALTHCHECK %s", in["HEALTHCHECK"][0])
	}
}
