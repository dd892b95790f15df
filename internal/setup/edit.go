package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// An edit changes the text of fairlead.yml.
type edit func(text []byte) ([]byte, error)

// editConfig applies an edit and writes the file only where what came out is
// right. Comments and all else stay as they are. The file keeps its mode.
func editConfig(file string, e edit) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("edit configuration: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("edit configuration: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("edit configuration: %w", err)
	}
	changed, err := e(text)
	if err != nil {
		return fmt.Errorf("edit %s: %w", file, err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("edit configuration: %w", err)
	}
	if _, err := config.Parse(file, dir, changed); err != nil {
		return fmt.Errorf("edit %s: nothing was written, for it would not be right:\n%w", file, err)
	}
	now, err := os.ReadFile(file)
	if err == nil && !bytes.Equal(now, text) {
		err = errors.New("somebody else changed it at the same time; run it again")
	}
	if err != nil {
		return fmt.Errorf("edit %s: %w", file, err)
	}
	return writeFile(file, changed, info.Mode().Perm())
}

// A field is a key and its value; a value may be text, a number or fields.
type field struct {
	key   string
	value any // string, int or []field
}

// insert adds an entry at the end of a mapping at the top of the file, or the
// mapping itself.
func insert(section, name string, fields []field) edit {
	return func(text []byte) ([]byte, error) {
		lines, at, err := locate(text, section)
		if err != nil {
			return nil, err
		}
		if at.find(name) >= 0 {
			return nil, fmt.Errorf("%s has %q already", section, name)
		}
		entry, err := render(name, fields, at.indent)
		if err != nil {
			return nil, err
		}
		if at.key == nil {
			if n := len(lines); n > 0 && lines[n-1] != "" && !strings.HasSuffix(lines[n-1], "\n") {
				lines[n-1] += "\n"
			}
			return []byte(strings.Join(lines, "") + "\n" + section + ":\n" + entry), nil
		}
		if err := at.open(lines); err != nil {
			return nil, err
		}
		end := at.end(lines)
		if end > 0 && !strings.HasSuffix(lines[end-1], "\n") {
			lines[end-1] += "\n"
		}
		return []byte(strings.Join(lines[:end], "") + entry + strings.Join(lines[end:], "")), nil
	}
}

// remove takes an entry out, with the comments right above it.
func remove(section, name string) edit {
	return func(text []byte) ([]byte, error) {
		lines, at, err := locate(text, section)
		if err != nil {
			return nil, err
		}
		i := at.find(name)
		if i < 0 {
			return nil, fmt.Errorf("%s has no %q: %w", section, name, fs.ErrNotExist)
		}
		if at.value.Style&yaml.FlowStyle != 0 {
			return nil, fmt.Errorf("%s is written in one line; take %q out by hand", section, name)
		}
		first, end := at.value.Content[i].Line-1, at.end(lines)
		if i+2 < len(at.value.Content) {
			end = at.value.Content[i+2].Line - 1
			for end > first+1 && at.above(lines[end-1]) {
				end--
			}
		}
		for first > at.key.Line && at.above(lines[first-1]) {
			first--
		}
		if len(at.value.Content) == 2 {
			lines[at.key.Line-1] = emptied(lines[at.key.Line-1])
		}
		return []byte(strings.Join(lines[:first], "") + strings.Join(lines[end:], "")), nil
	}
}

// emptied is the line of a mapping's key, now without entries.
func emptied(line string) string {
	key, rest, _ := strings.Cut(line, ":")
	return key + ": {}" + rest
}

// render writes an entry with an indentation.
func render(name string, fields []field, indent int) (string, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	root.Content = append(root.Content, scalar(name), mapping(fields))
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(root), enc.Close()); err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.Repeat(" ", indent) + line)
	}
	return out.String(), nil
}

func mapping(fields []field) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if len(fields) == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, f := range fields {
		value := &yaml.Node{}
		switch v := f.value.(type) {
		case []field:
			value = mapping(v)
		case int:
			value.SetString(fmt.Sprint(v))
			value.Tag = "!!int"
		default:
			value = scalar(fmt.Sprint(v))
		}
		n.Content = append(n.Content, scalar(f.key), value)
	}
	return n
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}
