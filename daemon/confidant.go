package daemon

import (
	"slices"
	"sync"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// maxKnown is how many values of one repository a confidant remembers.
const maxKnown = 256

// confidant knows the secrets that were looked up, so that what an app says of
// them when it ends is told to nobody. Values of before are still known: an app
// that failed may have them.
type confidant struct {
	scrubber secret.Scrubber

	mu    sync.Mutex
	known map[string][]secret.Value // by repository, the latest last
}

// hears returns what takes a repository's values in.
func (c *confidant) hears(repo string) func(secret.Value) {
	return func(v secret.Value) {
		c.mu.Lock()
		defer c.mu.Unlock()
		values := c.known[repo]
		if slices.ContainsFunc(values, v.Equal) {
			return
		}
		if c.known == nil {
			c.known = map[string][]secret.Value{}
		}
		values = append(values, v)
		c.known[repo] = values[max(0, len(values)-maxKnown):]
		c.scrubber.Know(repo, c.known[repo]...)
	}
}

// failure returns one without the values in what containers and probes said.
func (c *confidant) failure(f release.Failure) *release.Failure {
	f.Message = c.scrubber.Scrub(f.Message)
	f.Probes, f.Logs = c.lines(f.Probes), c.lines(f.Logs)
	return &f
}

func (c *confidant) lines(list []string) []string {
	list = slices.Clone(list)
	for i, line := range list {
		list[i] = c.scrubber.Scrub(line)
	}
	return list
}
