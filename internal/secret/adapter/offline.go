package adapter

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// column is one "name: text" of a line of enpass-cli's, which two spaces or the
// line's end close; the password is the rest of the line.
var (
	titleColumn    = regexp.MustCompile(`title:\s*(.*?)(?:\s{2}|$)`)
	labelColumn    = regexp.MustCompile(`label:\s*(.*?)(?:\s{2}|$)`)
	passwordColumn = regexp.MustCompile(`password:\s*([^"]+)`)
)

// enpass asks enpass-cli: the account is the vault's folder, a name is TITLE or
// TITLE/LABEL. It prints on stderr.
func enpass(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	if q.Account == "" {
		return nil, fmt.Errorf("name the vault's folder: --account PATH")
	}
	names := q.prefixed()
	argv := []string{"enpass-cli", "-vault", q.Account, "show"}
	for _, name := range names {
		title := name
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			title = name[:i]
		}
		if !slices.Contains(argv[4:], title) {
			argv = append(argv, title)
		}
	}
	out, err := run(ctx, argv, nil, true)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out.Out) + "\n" + string(out.Err)) {
		title, label, password := column(titleColumn, line), column(labelColumn, line), column(passwordColumn, line)
		if title == "" || password == "" {
			continue
		}
		key := title
		if label != "" {
			key += "/" + label
		}
		if !slices.Contains(names, title) && !slices.Contains(names, key) {
			continue
		}
		if _, twice := found[key]; twice {
			return nil, fmt.Errorf("%s is in the vault more than once", key)
		}
		found[key] = password
	}
	if len(found) == 0 {
		return nil, absent("Enpass", names...)
	}
	return found, nil
}

func column(c *regexp.Regexp, line string) string {
	if m := c.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
		return m[1]
	}
	return ""
}

// passbolt asks passbolt: [FOLDER/…]NAME.
func passbolt(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type entry struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	folders, found := map[string]string{}, map[string]string{} // the folders' ids by path
	var filters, within, names []string
	for _, full := range q.prefixed() {
		parts := strings.Split(full, "/")
		name, path, parent := parts[len(parts)-1], "", ""
		for _, folder := range parts[:len(parts)-1] {
			path += "/" + folder
			if _, ok := folders[path]; !ok {
				got, err := ask[[]entry](ctx, run, nil, "passbolt", "list", "folders", "--filter", filter(folder, parent), "--json")
				if err != nil {
					return nil, err
				}
				if len(got) == 0 {
					return nil, absent("Passbolt", "folder "+path[1:])
				}
				folders[path] = got[0].ID
				within = append(within, "--folder", got[0].ID)
			}
			parent = folders[path]
		}
		names, filters = append(names, name), append(filters, "("+filter(name, parent)+")")
	}
	argv := append([]string{"passbolt", "list", "resources", "--filter", strings.Join(filters, " || ")}, within...)
	got, err := ask[[]entry](ctx, run, nil, append(argv, "--json")...)
	if err != nil {
		return nil, err
	}
	for _, it := range got {
		found[it.Name] = it.Password
	}
	return found, missing("Passbolt", names, found)
}

// filter finds an entry by name, below a folder where one is given.
func filter(name, parent string) string {
	f := "Name == " + strconv.Quote(name)
	if parent != "" {
		f += " && FolderParentID == " + strconv.Quote(parent)
	}
	return f
}
