package look

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

func newExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "explain [RELEASE | SERVICE]",
		Short:      "Tell why a release is as it is, and what to do now",
		SuggestFor: []string{"why", "show", "describe"},
		Long: `Explain tells the story of a release: what it changes and what happened, and
where it failed, on which host, what the container answered and logged, whether
it was killed, and the one thing to do next. Without a name it is the newest.

  fairlead explain
  fairlead explain shop
  fairlead explain 20261123-061502-9c1e0aa-3f2a

Exit status: 0, or 1 when there is no daemon or no such release.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination := command.JSONFlag(cmd), command.DestinationFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := command.Ask(cmd)
		if err != nil {
			return err
		}
		defer a.Close()
		id, err := releaseOf(a, command.First(args), *destination)
		if err != nil {
			return err
		}
		detail, err := a.Release(cmd.Context(), id)
		if err != nil {
			return err
		}
		if *asJSON {
			return command.SayJSON(cmd, detail)
		}
		return command.Say(cmd, command.Style(cmd).Explain(detail.Release, detail.Events, besides(a.Standing, detail.Release)))
	}
	return cmd
}

// releaseName is what release.NewID makes.
var releaseName = regexp.MustCompile(`^\d{8}-\d{6}-`)

// releaseOf finds what is to be explained: the release itself, or a service's
// newest.
func releaseOf(a *command.Asking, name, destination string) (release.ID, error) {
	if releaseName.MatchString(name) {
		return release.ID(name), nil
	}
	if name == "" && destination == "" && len(a.Places()) > 1 {
		if id := newest(a); id != "" {
			return id, nil
		}
	}
	p, err := a.Place(name, destination)
	if err != nil {
		return "", err
	}
	s := a.Service(p)
	if s == nil || s.Latest == nil {
		return "", command.Hint("push a commit, or `fairlead deploy "+p.String()+"`", "nothing of %s was released yet", p)
	}
	return s.Latest.ID, nil
}

// newest is the newest release of all services.
func newest(a *command.Asking) (id release.ID) {
	for _, s := range a.Standing.Services {
		if s.Latest != nil {
			id = max(id, s.Latest.ID) // they sort by time
		}
	}
	return id
}

// besides says what else bears on a release: what keeps its service where it
// is, and calls of its repository's webhook that were refused of late.
func besides(st server.Status, r release.Release) string {
	var lines []string
	for _, s := range st.Services {
		if s.Lane == r.Lane {
			for _, news := range s.Newer {
				lines = append(lines, "newer available: "+news)
			}
		}
		if s.Lane == r.Lane && s.State == server.Held {
			lines = append(lines, s.Reason+"; "+cmp.Or(s.Next, "`fairlead resume "+s.Lane.String()+"` follows Git again"))
		}
	}
	for _, refused := range st.Refused {
		if text := refused.Sentence(st.At); text != "" && refused.Repo == r.Revision.Repo {
			lines = append(lines, text+"; "+refused.Remedy())
		}
	}
	return strings.Join(lines, "\n")
}
