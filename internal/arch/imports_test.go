package arch

import (
	"slices"
	"strings"
	"testing"
)

// rule says which folders of the module a folder may import, besides itself
// and what is below it.
type rule struct {
	folder string
	may    []string
}

// The picture of docs/design.md, the most special folder first.
func rules() []rule {
	tools := []string{"internal/registry", "internal/schedule", "internal/forge", "internal/secret", "internal/jsonschema"}
	room := append([]string{"release", "store"}, tools...)
	return []rule{
		{"cmd/fairlead", []string{"daemon", "server", "release", "proxy", "internal/secret", "internal/systemd", "internal/setup"}},
		{"daemon/config", append([]string{"release"}, tools...)},
		{"daemon", append([]string{"watcher", "deployer", "notify", "server", "proxy", "internal/systemd"}, room...)},

		{"watcher", room},
		{"deployer/route", append([]string{"deployer", "proxy/control"}, room...)},   // speaks to our own proxy's socket
		{"deployer/spec/errorpages", []string{"deployer/spec/schema", "proxy/page"}}, // the language of our own proxy's pages
		{"deployer", room},
		{"notify", room},
		{"server", room},

		{"release", nil},
		{"store", []string{"release"}},
		{"internal/registry", []string{"release", "internal/secret"}}, // a password is a secret.Value
		{"internal/forge", []string{"release", "internal/secret"}},
		{"internal/schedule", []string{"release"}},
		{"internal/secret", []string{"release"}},
		{"internal/systemd", nil},
		{"internal/jsonschema", nil},
		{"internal/disktest", nil},
		{"proxy", nil},

		{"internal/fleet/actor", []string{"internal/fleet", "notify/webhook", "release", "internal/secret"}},
		{"internal/fleet", nil},
		{"internal/setup", append([]string{"daemon", "server/client", "deployer", "watcher/mirror", "internal/systemd"}, room...)},

		{"internal/image", []string{"deployer/host/program"}},
		{"internal/packaging", []string{"daemon/config", "internal/setup", "internal/systemd", "internal/image", "deployer/host/program"}},
		{"internal/demo", []string{"internal/fleet", "release"}},
		{"internal/bench", []string{"internal/fleet", "release"}},
		{"internal/e2e", nil},
		{"internal/chaos", []string{"internal/fleet", "release"}},
		{"internal/load", []string{"internal/fleet", "release"}},
		{"internal/bugs", nil},
		{"internal/features", nil},
		{"internal/arch", nil},
		{"examples", nil},
	}
}

func TestRoomsNeverImportRooms(t *testing.T) {
	for _, p := range theHouse(t).pkgs {
		r := ruleOf(t, p)
		for _, path := range ours(p.Imports) {
			if !within(path, r.folder) && !within(path, r.may...) {
				t.Errorf("%s imports %s; %s may import: %s", p.path(), path, r.folder, list(r.may))
			}
		}
	}
}

func TestNoProductCodeImportsWhatIsForTests(t *testing.T) {
	h := theHouse(t)
	forTests := map[string]bool{}
	for _, p := range h.pkgs {
		forTests[p.path()] = p.tests()
	}
	for _, p := range h.pkgs {
		for _, path := range ours(p.Imports) {
			if forTests[path] && !p.tests() {
				t.Errorf("%s imports %s, which is for tests", p.path(), path)
			}
		}
	}
}

// A test of a room may use its own room, the fleet and contract suites; one
// that needs two rooms is a test of the daemon.
func TestTestsOfARoomStayInTheRoom(t *testing.T) {
	rooms := []string{"watcher", "deployer", "notify", "server", "proxy"}
	for _, p := range theHouse(t).pkgs {
		i := slices.IndexFunc(rooms, func(room string) bool { return within(p.path(), room) })
		if i < 0 {
			continue
		}
		r := ruleOf(t, p)
		for _, path := range ours(append(p.TestImports, p.XTestImports...)) {
			if within(path, rooms...) && !within(path, rooms[i]) && !within(path, r.may...) {
				t.Errorf("a test of %s imports %s", p.path(), path)
			}
		}
	}
}

// Where a library stops: its types are seen in these folders only.
func TestLibrariesStopWhereTheyShould(t *testing.T) {
	only := map[string][]string{
		"github.com/moby/moby":                   {"deployer/host/docker"},
		"github.com/go-git":                      {"watcher/mirror"},
		"modernc.org/sqlite":                     {"store"},
		"database/sql":                           {"store"},
		"gopkg.in/yaml.v3":                       {"deployer/spec/schema", "daemon/config", "internal/setup", "internal/secret/sops"},
		"filippo.io/age":                         {"internal/secret/sealed"},
		"golang.org/x/crypto/ssh":                {"deployer/host", "watcher/mirror", "daemon", "internal/setup"},
		"github.com/pkg/sftp":                    {"deployer/host", "proxy"},
		"github.com/caddyserver/certmagic":       {"proxy/certs"},
		"github.com/google/go-containerregistry": {"internal/registry", "deployer/host/program"},
		"github.com/robfig/cron":                 {"internal/schedule"},
		"github.com/coder/websocket":             {"notify/slack/socket"},
		"github.com/spf13/cobra":                 {"cmd/fairlead", "proxy"},
		"net/http/httputil":                      {"proxy/router"},
		// They find methods by their names: with them the linker must keep every
		// method of everything, 4 MB that a daemon then has in memory.
		"text/template": nil,
		"html/template": nil,
	}
	for _, p := range theHouse(t).pkgs {
		if p.tests() {
			continue
		}
		for _, path := range p.Imports {
			for library, folders := range only {
				if within(path, library) && !within(p.path(), folders...) {
					t.Errorf("%s imports %s, which is for %s only", p.path(), path, list(folders))
				}
			}
		}
	}
}

func ruleOf(t *testing.T, p *pkg) rule {
	t.Helper()
	all := rules()
	i := slices.IndexFunc(all, func(r rule) bool { return within(p.path(), r.folder) })
	if i < 0 {
		t.Fatalf("no rule says what %s may import: add it to docs/design.md and here", p.path())
	}
	return all[i]
}

// ours leaves of the imports those of this module, as folders.
func ours(imports []string) []string {
	var all []string
	for _, path := range imports {
		if strings.HasPrefix(path, module) {
			all = append(all, strings.TrimPrefix(path, module))
		}
	}
	return all
}

func list(folders []string) string {
	if len(folders) == 0 {
		return "nothing of ours"
	}
	return strings.Join(folders, ", ")
}
