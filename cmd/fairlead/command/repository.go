package command

import (
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// Repository finds one of fairlead.yml's by its name, which may be left out
// where there is only one.
func Repository(c *config.Config, name string) (string, config.Repository, error) {
	names := slices.Sorted(maps.Keys(c.Repositories))
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if r, ok := c.Repositories[name]; ok {
		return name, r, nil
	}
	known := "fairlead.yml has " + strings.Join(names, ", ")
	if all := c.Of(name); len(all) > 0 {
		slices.Sort(all)
		return "", config.Repository{}, Hint("name one of "+strings.Join(all, ", "), "%s has several deploy files", name)
	}
	switch {
	case len(names) == 0:
		return "", config.Repository{}, Hint("add one under `repositories:`", "fairlead.yml has no repository")
	case name == "":
		return "", config.Repository{}, Hint(known, "there are several repositories; name one")
	}
	return "", config.Repository{}, Hint(known, "there is no repository %s", name)
}
