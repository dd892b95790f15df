package fleet

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
)

// state is what Attach needs, as fleet.json in the fleet's folder.
type state struct {
	Run           string `json:"run"`
	Subnet        string `json:"subnet"`
	RegistryLocal string `json:"registry_local"`
	Unpacked      string `json:"unpacked,omitempty"`
	Hosts         int    `json:"hosts"`
	DiskMB        int    `json:"disk_mb,omitempty"`
	User          string `json:"registry_user,omitempty"`
	Password      string `json:"registry_password,omitempty"` // of a registry that only tests reach
}

func (f *Fleet) save() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := json.Marshal(state{Run: f.Run, Subnet: f.Subnet.String(), RegistryLocal: f.RegistryLocal,
		Unpacked: f.opts.Unpacked, Hosts: len(f.Hosts), DiskMB: f.opts.DiskMB,
		User: f.opts.RegistryUser, Password: f.opts.RegistryPassword})
	if err == nil {
		err = os.WriteFile(f.path(stateFile), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write fleet state: %w", err)
	}
	return nil
}

const stateFile = "fleet.json"

// Attach returns the running fleet that another process started in dir with
// Options.Keep. The error wraps fs.ErrNotExist if there is none.
func Attach(dir string, log *slog.Logger) (*Fleet, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, fmt.Errorf("attach to fleet: %w", err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("attach to fleet: read %s: %w", stateFile, err)
	}
	subnet, err := netip.ParsePrefix(s.Subnet)
	if err != nil {
		return nil, fmt.Errorf("attach to fleet: read %s: %w", stateFile, err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("attach to fleet: %w", err)
	}
	f := &Fleet{Run: s.Run, Dir: dir, Subnet: subnet, User: "root", RegistryLocal: s.RegistryLocal, log: log,
		opts: Options{Keep: true, usr: "/usr", Unpacked: s.Unpacked, DiskMB: s.DiskMB, Log: log,
			RegistryUser: s.User, RegistryPassword: s.Password}}
	f.nameMachines(s.Hosts)
	return f, nil
}
