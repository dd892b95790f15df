package rollout

import (
	"slices"
	"sync"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
)

// OnEach does something for all hosts at once but those in bad, and adds to
// them those where it failed. It returns when all have ended.
func OnEach(hosts []string, bad map[string]error, do func(host string) error) {
	var mu sync.Mutex
	var wg abreast.Group
	for _, host := range slices.DeleteFunc(slices.Clone(hosts), func(name string) bool { return bad[name] != nil }) {
		wg.Go(func() {
			if err := do(host); err != nil {
				mu.Lock()
				defer mu.Unlock()
				bad[host] = err
			}
		})
	}
	wg.Wait()
}
