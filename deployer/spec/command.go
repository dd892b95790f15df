package spec

import (
	"strings"

	"github.com/mattn/go-shellwords"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// readCommand reads a command line, or a list of arguments. Kamal hands the
// line to the host's shell, which splits it; here it is split the same way and
// no shell sees it. What only a shell can do is refused: with Kamal it would
// have happened on the host, not in the container.
func readCommand(v schema.Value) Command {
	if v.Kind() == schema.List {
		args := v.Texts()
		c := Command{Args: args}
		for i, a := range args {
			if i > 0 {
				c.Raw += " "
			}
			c.Raw += quoteArg(a)
		}
		return c
	}
	c := Command{Raw: v.Text()}
	if c.Raw == "" {
		return c
	}
	p := shellwords.NewParser()
	p.ParseEnv, p.ParseBacktick, p.ParseComment = false, false, false
	args, err := p.Parse(c.Raw)
	switch {
	case err != nil:
		v.Fail("close the quotation marks and brackets", "the command cannot be split into words")
	case p.Position >= 0 && p.Position < len(c.Raw):
		v.Fail(`write sh -c "…"`, "the command needs a shell from %q on", c.Raw[p.Position:])
	case len(args) == 0:
		v.Fail("remove it", "the command is empty")
	}
	c.Args = args
	return c
}

// quoteArg writes an argument so that it is split again into itself.
func quoteArg(arg string) string {
	if arg != "" && !strings.ContainsAny(arg, " \t\r\n\"'`\\$;|&<>()#*?[]{}~!") {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'"'"'`) + "'"
}
