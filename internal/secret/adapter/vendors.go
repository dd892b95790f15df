package adapter

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// onePassword asks op: VAULT/ITEM[/SECTION][/FIELD], the field "password"
// unless said. With no name it gives all fields of the item in From.
func onePassword(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type item struct {
		Fields []struct {
			ID, Label, Value string
			Section          struct{ ID, Label string }
		}
	}
	names := q.prefixed()
	if len(names) == 0 {
		names = []string{q.From}
	}
	items, found := map[string]item{}, map[string]string{}
	for _, name := range names {
		parts := strings.Split(strings.TrimPrefix(name, "op://"), "/")
		if len(parts) < 2 || len(parts) > 4 || len(q.Names) == 0 && len(parts) != 2 {
			return nil, fmt.Errorf("%q is no VAULT/ITEM/FIELD", name)
		}
		vault, title, path := parts[0], parts[1], strings.Join(parts[2:], "/")
		key := vault + "/" + title
		if _, ok := items[key]; !ok {
			argv := []string{"op", "item", "get", title, "--vault", vault, "--format", "json"}
			if q.Account != "" {
				argv = append(argv, "--account", q.Account)
			}
			var err error
			if items[key], err = ask[item](ctx, run, nil, argv...); err != nil {
				return nil, err
			}
		}
		there := false
		for _, f := range items[key].Fields {
			label := f.Label
			if f.Section.Label != "" {
				label = f.Section.Label + "/" + f.Label
			}
			switch {
			case len(q.Names) == 0:
				if f.Value != "" {
					found[strings.TrimSuffix(key+"/"+label, "/password")], there = f.Value, true
				}
			case !there && (path == label || path == f.Label || path == f.ID || path == "" && (f.ID == "password" || f.Label == "password")):
				found[strings.TrimSuffix(strings.TrimPrefix(name, "op://"), "/password")], there = f.Value, true
			}
		}
		if !there {
			return nil, absent("1Password", name)
		}
	}
	return found, nil
}

// bitwarden asks bw: ITEM, whose password it is, or ITEM/FIELD.
func bitwarden(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type item struct {
		Login  *struct{ Password *string }
		Fields []struct{ Name, Value string }
	}
	session, err := bitwardenSession(ctx, q, run)
	if err != nil {
		return nil, err
	}
	if _, err := run(ctx, []string{"bw", "sync"}, session, false); err != nil {
		return nil, err
	}
	found, items := map[string]string{}, map[string]item{}
	for _, name := range q.prefixed() {
		title, field, one := strings.Cut(name, "/")
		if _, ok := items[title]; !ok {
			if items[title], err = ask[item](ctx, run, session, "bw", "get", "item", title); err != nil {
				return nil, err
			}
		}
		it, before := items[title], len(found)
		if !one && it.Login != nil && it.Login.Password != nil {
			found[title] = *it.Login.Password
			continue
		}
		for _, f := range it.Fields {
			if !one || f.Name == field {
				found[title+"/"+f.Name] = f.Value
			}
		}
		if len(found) == before && found[name] == "" {
			return nil, absent("Bitwarden", name)
		}
	}
	return found, nil
}

// bitwardenSession is the environment that an unlocked vault needs.
func bitwardenSession(ctx context.Context, q Query, run Runner) ([]string, error) {
	status, err := ask[struct{ Status string }](ctx, run, nil, "bw", "status")
	switch {
	case err != nil:
		return nil, err
	case status.Status == "unauthenticated":
		return nil, fmt.Errorf("bw is not logged in: `bw login %s`", q.Account)
	case status.Status != "locked":
		return nil, nil
	}
	out, err := run(ctx, []string{"bw", "unlock", "--raw"}, nil, false)
	if err != nil {
		return nil, fmt.Errorf("unlock Bitwarden, or give BW_SESSION: %w", err)
	}
	return []string{"BW_SESSION=" + strings.TrimSpace(string(out.Out))}, nil
}

// bitwardenSM asks bws: ids of secrets, "all", or "PROJECT/all".
func bitwardenSM(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type item struct{ Key, Value string }
	names, found := q.prefixed(), map[string]string{}
	if project, all := strings.CutSuffix(names[0], "all"); all && len(names) == 1 && (project == "" || strings.HasSuffix(project, "/")) {
		argv := []string{"bws", "secret", "list", "--output", "json"}
		if project = strings.TrimSuffix(project, "/"); project != "" {
			argv = append(argv, project)
		}
		items, err := ask[[]item](ctx, run, nil, argv...)
		for _, it := range items {
			found[it.Key] = it.Value
		}
		return found, err
	}
	for _, id := range names {
		it, err := ask[item](ctx, run, nil, "bws", "secret", "get", "--output", "json", id)
		if err != nil {
			return nil, err
		}
		found[it.Key] = it.Value
	}
	return found, nil
}

// lastPass asks lpass by the items' full names.
func lastPass(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type item struct{ Fullname, Password string }
	names := q.prefixed()
	items, err := ask[[]item](ctx, run, nil, append([]string{"lpass", "show", "--json"}, names...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, it := range items {
		found[it.Fullname] = it.Password
	}
	return found, missing("LastPass", names, found)
}

// missing is an error where a name is not found.
func missing(vault string, names []string, found map[string]string) error {
	var not []string
	for _, name := range names {
		if _, ok := found[name]; !ok {
			not = append(not, name)
		}
	}
	if len(not) > 0 {
		return absent(vault, not...)
	}
	return nil
}

// awsSecretsManager asks aws; the account is a profile. A secret that is itself
// a JSON object gives NAME/KEY for each key.
func awsSecretsManager(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type answer struct {
		SecretValues []struct{ Name, SecretString string }
		Errors       []struct{ SecretID, ErrorCode, Message string }
	}
	argv := append([]string{"aws", "secretsmanager", "batch-get-secret-value", "--output", "json", "--secret-id-list"}, q.prefixed()...)
	if q.Account != "" {
		argv = append(argv, "--profile", q.Account)
	}
	got, err := ask[answer](ctx, run, nil, argv...)
	if err != nil {
		return nil, err
	}
	var said []string
	for _, e := range got.Errors {
		said = append(said, fmt.Sprintf("%s: %s", e.SecretID, e.Message))
	}
	if len(said) > 0 {
		return nil, errors.New("AWS Secrets Manager: " + strings.Join(said, "; "))
	}
	found := map[string]string{}
	for _, s := range got.SecretValues {
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(s.SecretString), &object) != nil || object == nil {
			found[s.Name] = s.SecretString
			continue
		}
		for key, raw := range object {
			found[s.Name+"/"+key] = text(raw)
		}
	}
	return found, nil
}

// text is a JSON value: a text as it is, anything else as it is written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// doppler asks doppler: From is PROJECT/CONFIG, which a service token knows.
func doppler(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	argv, names := []string{"doppler", "secrets", "get"}, []string{}
	from := q.From
	for _, name := range q.Names {
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			from, name = name[:i], name[i+1:]
		}
		names = append(names, name)
	}
	argv = append(append(argv, names...), "--json")
	if from != "" {
		project, config, ok := strings.Cut(from, "/")
		if !ok || config == "" || strings.Contains(config, "/") {
			return nil, fmt.Errorf("%q is no PROJECT/CONFIG: write --from PROJECT/CONFIG", from)
		}
		argv = append(argv, "-p", project, "-c", config)
	}
	got, err := ask[map[string]struct{ Computed string }](ctx, run, nil, argv...)
	found := map[string]string{}
	for name, v := range got {
		found[name] = v.Computed
	}
	if err != nil {
		return nil, err
	}
	return found, missing("Doppler", names, found)
}

// gcp asks gcloud: [PROJECT/]NAME[/VERSION], "default" being the project that
// gcloud knows. The account is USER[|SERVICE-ACCOUNT], "default" too.
func gcp(ctx context.Context, q Query, run Runner) (map[string]string, error) {
	type answer struct{ Payload struct{ Data string } }
	found := map[string]string{}
	user, impersonated, _ := strings.Cut(q.Account, "|")
	for _, name := range q.prefixed() {
		parts := strings.Split(name, "/")
		if len(parts) == 1 {
			parts = []string{"default", parts[0]}
		}
		if len(parts) == 2 {
			parts = append(parts, "latest")
		}
		if len(parts) != 3 {
			return nil, fmt.Errorf("%q is no PROJECT/NAME/VERSION", name)
		}
		argv, key := []string{"gcloud", "secrets", "versions", "access", parts[2], "--secret=" + parts[1], "--format=json"}, parts[1]
		if parts[0] != "default" {
			argv, key = append(argv, "--project="+parts[0]), parts[0]+"/"+parts[1]
		}
		if user != "" && user != "default" {
			argv = append(argv, "--account="+user)
		}
		if impersonated != "" {
			argv = append(argv, "--impersonate-service-account="+impersonated)
		}
		got, err := ask[answer](ctx, run, nil, argv...)
		if err != nil {
			return nil, err
		}
		plain, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(got.Payload.Data))
		if err != nil {
			return nil, fmt.Errorf("read %s: gcloud's answer is no base64", name)
		}
		found[key] = string(plain)
	}
	return found, nil
}
