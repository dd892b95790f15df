package release

import "slices"

// Why a lane is held where a person took its service off the servers: nothing
// that they stopped or removed is put back while the hold lasts.
const (
	WhyStopped = "app stop"
	WhyRemoved = "remove"
	WhyEjected = "eject"
)

// LeavesServers tells whether what a hold found on the servers stays as it is,
// stopped or gone. Other holds keep the last good release running.
func (h Hold) LeavesServers() bool {
	return slices.Contains([]string{WhyStopped, WhyRemoved, WhyEjected}, h.Why)
}
