package fate

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

// KindOf returns of which kind a call is, "" for one that Kinds does not know.
func KindOf(call string) string {
	for _, k := range Kinds() {
		if strings.HasPrefix(call, k) {
			return strings.TrimSpace(k)
		}
	}
	return ""
}
