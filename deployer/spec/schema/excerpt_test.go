package schema_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

func TestAMistakeIsShownWithItsLineAndAMark(t *testing.T) {
	for name, c := range map[string]struct {
		at         schema.Position
		src, shown string
	}{
		"a line":               {schema.Position{File: "f", Line: 2, Column: 3}, "a: 1\nb: yes\nc: 2\n", "f:2:3: wrong\n  2 | b: yes\n    |   ^"},
		"characters unseen":    {schema.Position{File: "f", Line: 1, Column: 4}, "a: \x1b[31m\r\n", "f:1:4: wrong\n  1 | a:  [31m\n    |    ^"},
		"bytes, not UTF-8":     {schema.Position{File: "f", Line: 1, Column: 2}, "a\xff: x", "f:1:2: wrong\n  1 | a?: x\n    |  ^"},
		"the end of a line":    {schema.Position{File: "f", Line: 1, Column: 4}, "abc\n", "f:1:4: wrong\n  1 | abc\n    |    ^"},
		"a password":           {schema.Position{File: "f", Line: 1, Column: 1}, "password: hunter2\n", "f:1:1: wrong"},
		"an empty line":        {schema.Position{File: "f", Line: 2, Column: 1}, "a\n\nb", "f:2:1: wrong"},
		"a line past the end":  {schema.Position{File: "f", Line: 9, Column: 1}, "a\n", "f:9:1: wrong"},
		"a column far away":    {schema.Position{File: "f", Line: 1, Column: 5000}, strings.Repeat("x", 9000), "f:1:5000: wrong"},
		"another file":         {schema.Position{File: "g", Line: 1, Column: 1}, "a\n", "g:1:1: wrong"},
		"a file without lines": {schema.Position{File: "f"}, "a\n", "f: wrong"},
	} {
		var r schema.Report
		r.Keep("f", []byte(c.src))
		r.Fail(&schema.Error{Position: c.at, Message: "wrong"})
		if got := r.Err().(schema.Errors).Excerpts(); got != c.shown {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.shown)
		}
	}
}
