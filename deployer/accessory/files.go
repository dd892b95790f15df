package accessory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// labelFile and the path in the container is the label that says with what file
// or folder of the host it was made: its mode, its owner, and for a file a
// digest of its content. A mount shows none of these. One that Kamal booted has
// no such label, and nothing is held against it.
const labelFile = "fairlead.file."

// none stands in a label for a mode or an owner that deploy.yml does not say.
const none = "-"

// made is the value of the label: MODE OWNER, and for a file DIGEST.
func made(f plan.File) string {
	mode, owner := none, none
	if f.Mode != 0 {
		mode = fmt.Sprintf("%04o", f.Mode.Perm())
	}
	if f.Owner != "" {
		owner = strings.Join(strings.Fields(f.Owner), "_")
	}
	if f.Folder {
		return mode + " " + owner
	}
	sum := sha256.Sum256([]byte(f.Content.Reveal()))
	return mode + " " + owner + " " + hex.EncodeToString(sum[:8])
}

// rewritten are the files and folders that are no longer as a container was
// made with. One that it was made without is a mount that it lacks, and shows
// as that. What is in a file is not told: it may be secret.
func rewritten(u Unit, have container.Observed) (changes []container.Change) {
	for key, value := range u.Spec.Labels {
		target, ok := strings.CutPrefix(key, labelFile)
		was, labelled := have.Spec.Labels[key]
		if !ok || !labelled || was == value {
			continue
		}
		a, b := strings.Fields(was), strings.Fields(value)
		c := container.Change{Field: "file " + target + " changed", Was: "old content", Want: "new content"}
		switch {
		case len(b) == 2:
			c = container.Change{Field: "folder " + target + " changed"}
			c.Was, c.Want = rights(a), rights(b)
		case len(a) == 3 && a[2] == b[2]:
			c.Was, c.Want = rights(a[:2]), rights(b[:2])
		}
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b container.Change) int { return strings.Compare(a.Field, b.Field) })
	return changes
}

// rights are a mode and an owner in words.
func rights(parts []string) string {
	parts = parts[:min(len(parts), 2)]
	said := slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part == none })
	if len(said) == 0 {
		return "no mode, no owner"
	}
	return strings.Join(said, " ")
}
