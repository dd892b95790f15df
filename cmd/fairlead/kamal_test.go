package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// kamals are the commands of Kamal 2.12 (lib/kamal/cli/*.rb), hidden ones too,
// each with its own flags. Where Fairlead has no such command or flag, a
// = and the word that its row in docs/kamal.md has instead.
const kamals = `
setup --skip-push=--skip-push --no-cache=--no-cache
deploy --skip-push=--skip-push --no-cache=--no-cache --version --roles --hosts --primary=--primary --destination --config-file
redeploy --skip-push=--skip-push --no-cache=--no-cache
rollback
details
audit
config
docs
version
init --bundle=Ruby
remove --yes
upgrade=Kamal 1's files
app boot
app start
app stop
app details
app containers
app images
app version
app stale_containers --stop
app exec --interactive --reuse --env --detach --raw
app logs --follow --since --lines --grep --grep-options --skip-timestamps --container-id
app live
app maintenance --drain-timeout --message
app remove
app remove_container
app remove_containers
app remove_images
app remove_app_directories=app remove
accessory boot
accessory reboot
accessory start
accessory stop
accessory restart
accessory details
accessory logs --since --lines --grep --grep-options --follow --skip-timestamps
accessory exec --interactive --reuse --raw
accessory remove --yes
accessory upgrade --rolling --yes
accessory upload
accessory directories
accessory pull_image
accessory remove_container
accessory remove_image
accessory remove_service_directory
build deliver
build push --output --no-cache
build pull
build create
build remove
build details
build dev --output=stays with the engine --no-cache
lock status
lock acquire --message
lock release
prune all
prune images
prune containers --retain
registry setup
registry remove
registry login --skip-local=--skip-local --skip-remote=--skip-remote
registry logout --skip-local=--skip-local --skip-remote=--skip-remote
server bootstrap
server exec --interactive --raw
proxy boot
proxy reboot --rolling --yes
proxy start
proxy stop
proxy restart
proxy details
proxy logs --since --lines --grep --follow --skip-timestamps
proxy remove --force
proxy boot_config
proxy upgrade
proxy remove_container=proxy remove
proxy remove_image=proxy remove
proxy remove_proxy_directory=proxy remove
secrets fetch --adapter --account --from
secrets extract
secrets print
env push=secrets
env delete=secrets
envify=secrets
healthcheck perform=deploy
traefik boot=proxy
traefik reboot=proxy
traefik start=proxy
traefik stop=proxy
traefik restart=proxy
traefik details=proxy
traefik logs=proxy
traefik remove=proxy
`

// globals are the flags that every command of Kamal takes (lib/kamal/cli/base.rb)
// and that choose what it is about.
const globals = "hosts roles primary destination config-file"

// without are the commands of Fairlead that some of them say nothing to; where
// they are words for the reader, the table says so of the whole row.
var without = map[string]string{
	"setup": "primary", "deploy": "primary", "redeploy": "primary", "app boot": "primary",
	"rollback": "hosts roles primary", "config": "hosts roles primary", "build": "hosts roles primary",
	"docs": globals, "version": globals, "init": globals, "proxy boot_config": globals,
	"secrets fetch": globals, "secrets extract": globals, "secrets print": "hosts roles primary",
}

// row returns the row of the table of commands that has a command in its first
// column, whole, or after one of the same group without the group's name.
func row(table, command string) string {
	within := ""
	for line := range strings.Lines(table) {
		cells := strings.SplitN(line, "|", 4)
		if len(cells) < 4 {
			continue
		}
		group := ""
		for i, word := range regexp.MustCompile("`[^`]+`").FindAllString(cells[1], -1) {
			if word = strings.Trim(word, "`"); strings.HasPrefix(word, "-") {
				continue
			}
			if first, _, several := strings.Cut(word, " "); several {
				group = first
			}
			whole := word == command || strings.HasPrefix(word, command+" ")
			switch {
			case whole && i == 0, group+" "+word == command:
				return line
			case whole && within == "":
				within = line
			}
		}
	}
	return within
}

// verb returns our command of the same words, nil where there is none.
func verb(root *cobra.Command, words string) *cobra.Command {
	found, rest, err := root.Find(strings.Fields(words))
	if err != nil || len(rest) > 0 || found == root {
		return nil
	}
	return found
}

func TestEveryCommandAndFlagOfKamalIsThereOrInTheTableWithItsReason(t *testing.T) {
	text, err := os.ReadFile("../../docs/kamal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Commands\n")
	root := newRoot()
	for line := range strings.Lines(strings.TrimSpace(kamals)) {
		line = strings.TrimSpace(line)
		names, flags, _ := strings.Cut(line, " --")
		command, instead, other := strings.Cut(names, "=")
		told := row(table, command)
		if told == "" {
			t.Errorf("docs/kamal.md has no row of `%s`", command)
			continue
		}
		ours := verb(root, command)
		switch {
		case other && ours != nil:
			t.Errorf("`%s` is a command now; say so in docs/kamal.md and here", command)
		case other && !strings.Contains(told, instead):
			t.Errorf("the row of `%s` does not name %q: %s", command, instead, told)
		case !other && ours == nil:
			t.Errorf("there is no `fairlead %s`", command)
		}
		if flags == "" || ours == nil {
			continue
		}
		for flag := range strings.SplitSeq(flags, " --") {
			flag, instead, other := strings.Cut(flag, "=")
			has := ours.Flags().Lookup(flag) != nil
			if !other && !has {
				t.Errorf("`fairlead %s` has no --%s", command, flag)
			}
			if other && !strings.Contains(told, instead) {
				t.Errorf("the row of `%s` does not say why there is no --%s: %s", command, flag, told)
			}
		}
	}
}

func TestTheTableOfKamalsCommandsNamesNoCommandThatFairleadLacks(t *testing.T) {
	text, err := os.ReadFile("../../docs/kamal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Commands\n")
	root := newRoot()
	for _, said := range regexp.MustCompile("`fairlead ([a-z][a-z_ ]*)").FindAllStringSubmatch(table, -1) {
		words := strings.Fields(said[1])
		if !slices.ContainsFunc([]int{1, 2}, func(n int) bool { return n <= len(words) && verb(root, strings.Join(words[:n], " ")) != nil }) {
			t.Errorf("docs/kamal.md names `fairlead %s`", strings.Join(words, " "))
		}
	}
}

func TestTheFlagsThatEveryCommandOfKamalTakesAreThereOrInTheTableWithTheirReason(t *testing.T) {
	text, err := os.ReadFile("../../docs/kamal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Commands\n")
	told := ""
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| on every command") {
			told += line
		}
	}
	for _, flag := range strings.Fields("--verbose --quiet --version --primary --hosts --roles --config-file --destination --skip-hooks --lock-wait --lock-wait-timeout --lock-wait-interval") {
		if !strings.Contains(told, "`"+flag+"`") {
			t.Errorf("the table does not say what becomes of %s", flag)
		}
	}
	root := newRoot()
	for line := range strings.Lines(strings.TrimSpace(kamals)) {
		names, _, _ := strings.Cut(strings.TrimSpace(line), " --")
		command, _, _ := strings.Cut(names, "=")
		ours := verb(root, command)
		if ours == nil {
			continue
		}
		group, _, _ := strings.Cut(command, " ")
		lacks := strings.Fields(without[command] + " " + without[group])
		for flag := range strings.FieldsSeq(globals + " quiet") {
			has := ours.Flags().Lookup(flag) != nil || ours.InheritedFlags().Lookup(flag) != nil
			if has == slices.Contains(lacks, flag) {
				t.Errorf("`fairlead %s` has --%s: %t", command, flag, has)
			}
		}
		for _, hooked := range []string{"setup", "deploy", "redeploy", "rollback", "app boot"} {
			if command == hooked && ours.Flags().Lookup("skip-hooks") == nil {
				t.Errorf("`fairlead %s` has no --skip-hooks", command)
			}
		}
	}
}
