package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/buttons"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/server"
)

func newNotify() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "notify",
		Short: "Try the channels that messages go to",
		Long: `Notify is about the channels under notify: in fairlead.yml.

  fairlead notify test

Exit status: 0 when all were delivered, 1 when one was not.`,
	}, newNotifyTest())
}

func newNotifyTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [CHANNEL]",
		Short: "Send a test message to every channel, or to one",
		Long: `Test sends a test message, past the queue, and says what each receiver answered,
and whether the buttons of its messages work.
With a CHANNEL it is sent from here, with what fairlead.yml says now; without
one the daemon sends it to all.

  fairlead notify test
  fairlead notify test "slack #deploys"

Exit status: 0 when all were delivered and all buttons work, 1 when one was not.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sent, err := testMessages(cmd, command.First(args))
		if err != nil {
			return err
		}
		if *asJSON {
			err = command.SayJSON(cmd, sent)
		} else {
			err = command.Say(cmd, deliveries(sent))
		}
		if err == nil && slices.ContainsFunc(sent, func(s server.Sent) bool { return !s.OK() }) {
			return command.ExitError(1)
		}
		return err
	}
	return cmd
}

func deliveries(sent []server.Sent) string {
	if len(sent) == 0 {
		return "fairlead.yml has no channels; add one under `notify:`\n"
	}
	var b strings.Builder
	for _, s := range sent {
		result := "delivered"
		if s.Error != "" {
			result = "not delivered: " + s.Error
		}
		switch s.Buttons {
		case "":
		case server.ButtonsWork:
			result += "; its buttons work"
		default:
			result += "; its buttons do not work: " + s.Buttons
		}
		fmt.Fprintf(&b, "%s: %s\n", show.Plain(s.Channel), show.Plain(result))
	}
	return b.String()
}

func testMessages(cmd *cobra.Command, channel string) ([]server.Sent, error) {
	if channel == "" {
		a, err := command.Ask(cmd)
		if err != nil {
			return nil, err
		}
		defer a.Close()
		return a.TestNotify(cmd.Context())
	}
	conf, err := command.NeedOperator(cmd)
	if err != nil {
		return nil, err
	}
	sent := server.Sent{Channel: channel}
	if !slices.ContainsFunc(conf.Notify, func(c config.Channel) bool { return c.Name == channel }) {
		var names []string
		for _, c := range conf.Notify {
			names = append(names, fmt.Sprintf("%q", c.Name))
		}
		return nil, command.Hint("fairlead.yml has "+cmp.Or(strings.Join(names, ", "), "none"), "there is no channel %q", channel)
	}
	if err := daemon.TryChannel(cmd.Context(), conf, channel); err != nil {
		sent.Error = err.Error()
	}
	if has, err := buttons.Try(cmd.Context(), conf, channel); has {
		sent.Buttons = server.ButtonsWork
		if err != nil {
			sent.Buttons = err.Error()
		}
	}
	return []server.Sent{sent}, nil
}
