package accessory

import (
	"errors"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/erb"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// render evaluates the templates of a file, which may be of any format.
func render(name string, content []byte, env func(string) (string, bool)) ([]byte, error) {
	var out strings.Builder
	rest := string(content)
	for {
		before, after, found := strings.Cut(rest, "<%")
		out.WriteString(before)
		if !found {
			return []byte(out.String()), nil
		}
		code, tail, ended := strings.Cut(after, "%>")
		if !ended {
			return nil, errors.New("a template has no end; end it with %>")
		}
		rest = tail
		switch {
		case strings.HasPrefix(code, "#"):
		case strings.HasPrefix(code, "%"): // ERB's way to write <%
			out.WriteString("<%" + code[1:] + "%>")
		default:
			report := &schema.Report{}
			t := erb.Scan(name, []byte("<%"+code+"%>"), erb.World{Env: env}, report)
			if err := report.Err(); err != nil {
				return nil, err
			}
			text, _, err := t.Expand(0)
			if err != nil {
				return nil, err
			}
			out.WriteString(text)
		}
	}
}
