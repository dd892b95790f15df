package fleettest

import "strings"

// Kinds are the beginnings of all calls that have an effect: on hosts, and on
// what the daemon remembers. A longer one goes before its beginning.
func Kinds() []string {
	return []string{
		"boot proxy", "network ", "pull ", "tag ", "create ", "start ", "stop ", "rename ", "remove image ", "remove route ", "remove ",
		"switch ", "copy to ", "split ", "end split ", "mkdir -p ", "mkdir ", "write ", "mv ", "rm -r ",
		"save config", "save ", "intend ", "done ", "pin ", "repin ", "quarantine", "lift quarantine", "hold", "unhold", "adopt", "raise", "clear",
	}
}

// Kind returns of which kind an effect is, "" for one that Kinds does not know.
func (e Effect) Kind() string {
	for _, k := range Kinds() {
		if strings.HasPrefix(e.Call, k) {
			return strings.TrimSpace(k)
		}
	}
	return ""
}
