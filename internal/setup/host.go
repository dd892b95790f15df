package setup

import (
	"fmt"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// A NewHost is the command `host add`.
type NewHost struct {
	Name    string // as deploy.yml writes it
	Address string
	User    string
	Port    int // 0: SSH's
}

// Add writes the host into fairlead.yml.
func (h NewHost) Add(file string, c *config.Config) error {
	if _, ok := c.Hosts[h.Name]; ok {
		return fmt.Errorf("add host: %q is in %s already; change it there", h.Name, file)
	}
	var fields []field
	for _, f := range []field{{"address", h.Address}, {"user", h.User}} {
		if f.value != "" {
			fields = append(fields, f)
		}
	}
	if h.Port != 0 {
		fields = append(fields, field{"port", h.Port})
	}
	return editConfig(file, insert("hosts", h.Name, fields))
}
