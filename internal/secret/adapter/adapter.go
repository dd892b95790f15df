// Package adapter asks the vaults that `kamal secrets fetch` knows, through
// their vendors' programs, and answers as it does: names and values.
//
// Lives here: each vendor's words and answers. May not live here: where the
// program runs and with which environment, and how long an answer is good.
package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
)

// Runner runs a vendor's program, with more of an environment ("NAME=value").
// Mute says that its stderr may hold a secret.
type Runner func(ctx context.Context, argv, env []string, mute bool) (program.Output, error)

// Query is what is asked for.
type Query struct {
	Adapter string // of Names, or another spelling of one
	Account string // "" where the program knows
	From    string // a vault, folder, project or the like before each name
	Names   []string
}

// vendor asks one vault. The answer is by full name.
type vendor func(ctx context.Context, q Query, run Runner) (map[string]string, error)

func vendors() map[string]vendor {
	return map[string]vendor{
		"1password": onePassword, "aws_secrets_manager": awsSecretsManager, "bitwarden": bitwarden, "bitwarden-sm": bitwardenSM,
		"doppler": doppler, "enpass": enpass, "gcp": gcp, "lastpass": lastPass, "passbolt": passbolt,
	}
}

// Names are the adapters, sorted, as Kamal calls them.
func Names() []string { return slices.Sorted(maps.Keys(vendors())) }

// spellings are Kamal's other names.
func spelling(name string) string {
	switch name = strings.ToLower(strings.ReplaceAll(name, "-", "_")); name {
	case "one_password", "op":
		return "1password"
	case "last_pass":
		return "lastpass"
	case "bitwarden_sm", "bitwarden_secrets_manager":
		return "bitwarden-sm"
	case "gcp_secret_manager":
		return "gcp"
	}
	return name
}

// Fetch asks a vault. Every name that was asked for is in the answer, or it is
// an error; no error holds a value.
func Fetch(ctx context.Context, q Query, run Runner) (map[string]secret.Value, error) {
	ask, ok := vendors()[spelling(q.Adapter)]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no adapter %q; there are %s", q.Adapter, strings.Join(Names(), ", "))
	case len(q.Names) == 0 && spelling(q.Adapter) != "1password":
		return nil, errors.New("name the secrets to fetch")
	}
	for _, word := range append([]string{q.Account, q.From}, q.Names...) {
		if strings.HasPrefix(word, "-") {
			return nil, fmt.Errorf("%q would be an option to the vendor's program", word)
		}
	}
	found, err := ask(ctx, q, run)
	if err != nil {
		return nil, err
	}
	values := make(map[string]secret.Value, len(found))
	for name, plain := range found {
		values[name] = secret.New(plain)
	}
	return values, nil
}

// Extract takes one secret out of what Fetch gave, as JSON: by its name, or by
// the end of it after a slash. What a shell escaped is understood too.
func Extract(name string, object secret.Value) (secret.Value, error) {
	values := map[string]string{}
	text := object.Reveal()
	if json.Unmarshal([]byte(text), &values) != nil && json.Unmarshal([]byte(unescape(text)), &values) != nil {
		return secret.Value{}, errors.New("what to extract from is no JSON object of texts, as `secrets fetch` prints it")
	}
	if plain, ok := values[name]; ok {
		return secret.New(plain), nil
	}
	for _, full := range slices.Sorted(maps.Keys(values)) {
		if strings.HasSuffix(full, "/"+name) {
			return secret.New(values[full]), nil
		}
	}
	return secret.Value{}, fmt.Errorf("there is no secret %s in it; there are %s", name, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
}

// Escape writes text as one word for a shell, as Ruby's shellescape does: what
// `kamal secrets fetch` prints, which a secrets file gives to extract.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteString("'\n'")
			continue
		case r < '0' && !strings.ContainsRune("-.,+/", r), r > ':' && r < '@', r > 'Z' && r < 'a' && r != '_', r > 'z':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// unescape takes the backslashes off that Ruby's shellescape puts before
// whatever a shell might read.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return strings.ReplaceAll(b.String(), "'\n'", "\n")
}

// prefixed are the names with From before them.
func (q Query) prefixed() []string {
	var names []string
	for _, name := range q.Names {
		if q.From != "" {
			name = strings.TrimSuffix(q.From, "/") + "/" + name
		}
		names = append(names, name)
	}
	return names
}

// ask runs a program and reads the JSON that it prints.
func ask[T any](ctx context.Context, run Runner, env []string, argv ...string) (answer T, err error) {
	out, err := run(ctx, argv, env, false)
	if err != nil {
		return answer, err
	}
	if json.Unmarshal(out.Out, &answer) != nil { // its words may hold a value
		return answer, fmt.Errorf("read what %s printed: it is not the JSON that was asked for", argv[0])
	}
	return answer, nil
}

// absent says which names a vault did not give.
func absent(vault string, names ...string) error {
	return fmt.Errorf("%s has no %s", vault, strings.Join(names, ", "))
}
