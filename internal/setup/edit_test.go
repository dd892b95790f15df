package setup

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

func TestInsertKeepsAllElse(t *testing.T) {
	entry := []field{{"url", "git@github.com:acme/blog.git"}, {"auth", []field{{"ssh_key", "keys/blog"}}}}
	const added = "  blog:\n    url: git@github.com:acme/blog.git\n    auth:\n      ssh_key: keys/blog\n"
	for name, test := range map[string]struct{ text, want string }{
		"a file of comments":         {"# hello\n", "# hello\n\nrepositories:\n" + added},
		"nothing at all":             {"", "\nrepositories:\n" + added},
		"an empty mapping in braces": {"repositories: {}  # none\n\nssh: {}\n", "repositories:  # none\n" + added + "\nssh: {}\n"},
		"a mapping without a value":  {"repositories:\nlisten: none\n", "repositories:\n" + added + "listen: none\n"},
		"no line end":                {"repositories:\n  a:\n    url: /a", "repositories:\n  a:\n    url: /a\n" + added},
		"comments of what follows":   {"repositories:\n  a:\n    url: /a\n    # a's\n\n# the socket\nsocket: /s\n", "repositories:\n  a:\n    url: /a\n    # a's\n" + added + "\n# the socket\nsocket: /s\n"},
		"another key before":         {"listen: none\nrepositories:\n  a:\n    url: /a\n", "listen: none\nrepositories:\n  a:\n    url: /a\n" + added},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := insert("repositories", "blog", entry)([]byte(test.text))
			if err != nil || string(got) != test.want {
				t.Fatalf("%v\n%s\nwant\n%s", err, got, test.want)
			}
		})
	}
	t.Run("another indentation", func(t *testing.T) {
		got, err := insert("hosts", "b", []field{{"port", 22}})([]byte("hosts:\n    a:\n        port: 1\n"))
		if want := "hosts:\n    a:\n        port: 1\n    b:\n      port: 22\n"; err != nil || string(got) != want {
			t.Fatalf("%v\n%s", err, got)
		}
	})
}

func TestInsertRefusesWhatItCannotKeep(t *testing.T) {
	for name, text := range map[string]string{
		"entries in one line": "repositories: { a: { url: /a } }\n",
		"braces of two lines": "repositories: {\n}\n",
		"a file in braces":    "{ listen: none }\n",
		"a list":              "repositories: [a]\n",
		"the name is taken":   "repositories:\n  blog:\n    url: /a\n",
		"no YAML":             "repositories: [\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := insert("repositories", "blog", nil)([]byte(text)); err == nil {
				t.Fatalf("no error; it wrote\n%s", got)
			}
		})
	}
}

func TestRemoveTakesTheEntryAndItsComments(t *testing.T) {
	const text = "# top\nrepositories:\n  # of a\n  a:\n    url: /a # here\n    # inside a\n\n  # of b\n  b:\n    url: /b\n\n# the socket\nsocket: /s\n"
	for name, test := range map[string]struct{ text, entry, want string }{
		"the first":    {text, "a", "# top\nrepositories:\n  # of b\n  b:\n    url: /b\n\n# the socket\nsocket: /s\n"},
		"the last":     {text, "b", "# top\nrepositories:\n  # of a\n  a:\n    url: /a # here\n    # inside a\n\n\n# the socket\nsocket: /s\n"},
		"the only one": {"repositories: # none\n  a:\n    url: /a\nsocket: /s\n", "a", "repositories: {} # none\nsocket: /s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := remove("repositories", test.entry)([]byte(test.text))
			if err != nil || string(got) != test.want {
				t.Fatalf("%v\n%q\nwant\n%q", err, got, test.want)
			}
		})
	}
	for _, text := range []string{"", "repositories: {}\n", "repositories: { a: { url: /a } }\n"} {
		if _, err := remove("repositories", "a")([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestAnEditThatMakesTheFileWrongIsNotWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fairlead.yml")
	text := "repositories: {}\n"
	writeText(t, file, text)
	if err := editConfig(file, insert("hosts", "web", []field{{"address", "-oProxyCommand=x"}})); err == nil {
		t.Fatal("no error")
	}
	if got := readText(t, file); got != text {
		t.Fatalf("the file is now\n%s", got)
	}
}

func TestAnEditKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yml"), filepath.Join(dir, "fairlead.yml")
	writeText(t, real, "repositories: {}\n")
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := editConfig(link, insert("hosts", "web", nil)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Fatalf("the link is gone: %v %v", info, err)
	}
	if info, err = os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(readText(t, real), "web: {}") {
		t.Fatal(readText(t, real))
	}
}

// FuzzInsert: whatever the file looks like, an edit either refuses or adds
// exactly one entry and leaves all others as they were.
func FuzzInsert(f *testing.F) {
	f.Add("repositories: {}\n")
	f.Add("repositories:\n  a:\n    url: /a\n    # x\n\n# y\nlisten: none\n")
	f.Add("listen: none\nrepositories:\n    a: {url: /a}\n    b:\n        url: |-\n            /b\n")
	f.Add("# only\n")
	f.Add(config.Example())
	f.Fuzz(func(t *testing.T, text string) {
		before, err := config.Parse("f", "/d", []byte(text))
		if err != nil {
			return
		}
		if _, ok := before.Repositories["new"]; ok {
			return
		}
		changed, err := insert("repositories", "new", []field{{"url", "/new"}})([]byte(text))
		if err != nil {
			return
		}
		after, err := config.Parse("f", "/d", changed)
		if err != nil {
			return // editConfig refuses it
		}
		if after.Repositories["new"].URL != "/new" {
			t.Fatalf("it was not added:\n%s", changed)
		}
		delete(after.Repositories, "new")
		if !maps.EqualFunc(before.Repositories, after.Repositories, func(a, b config.Repository) bool { return reflect.DeepEqual(a, b) }) {
			t.Fatalf("others changed:\n%s\nwas\n%s", changed, text)
		}
	})
}

func writeText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
