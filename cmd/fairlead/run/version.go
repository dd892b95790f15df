package run

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
)

// build is what this program was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from changed files
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Long: `Version prints what this program is and was built from. It asks nobody.

  fairlead version
  fairlead version --json | jq -r .commit

Exit status: 0.`,
		Args: cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b := built(command.Version(cmd))
		if *asJSON {
			return command.SayJSON(cmd, b)
		}
		text := "fairlead " + b.Version
		if b.Commit != "" {
			text += " (" + b.Commit[:min(12, len(b.Commit))] + ")"
		}
		return command.Say(cmd, fmt.Sprintf("%s %s/%s %s\n", text, b.OS, b.Arch, b.Go))
	}
	return cmd
}

func built(version string) build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
