package secret_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func TestKamalsOwnCommandsAreCarriedOutWithinAndAValueIsOneWord(t *testing.T) {
	text := strings.Join([]string{
		`PREFIX=op`,
		`SECRETS=$(kamal secrets fetch --adapter 1password --from 'Prod Vault/API' A "B C" D\ E)`,
		`A=$(kamal secrets extract A ${SECRETS})`,
		`B=$(bundle exec kamal secrets extract B $(fairlead secrets fetch -a $PREFIX B))`,
		`C=$(bin/kamal secrets extract "x$PREFIX" '$SECRETS')`,
		`D=$(kamal secrets extract A $SECRETS | tr a b)`,
		`E=$(kamal-secrets extract)`,
		`F=$(kamal secrets extract A $UNSET)`,
		`G=$(kamal secrets fail)`,
	}, "\n")
	var asked []string
	s := open(t, secret.Options{
		Repo: files(".kamal/secrets", text),
		Inline: func(_ context.Context, args []secret.Value, _ []string) (secret.Value, error) {
			var words []string
			for _, a := range args {
				words = append(words, a.Reveal())
			}
			line := strings.Join(words, "|")
			asked = append(asked, line)
			if words[0] == "fail" {
				return secret.Value{}, errors.New("it failed")
			}
			if words[0] == "fetch" {
				return secret.New(`{"A": "one two", "$B": "*"}`), nil
			}
			return secret.New("<" + line + ">"), nil
		},
		Run: func(_ context.Context, command string, _ []string) ([]byte, error) {
			return []byte("sh:" + command), nil
		},
	})
	if asked[0] != `fetch|--adapter|1password|--from|Prod Vault/API|A|B C|D E` {
		t.Errorf("fetch got %s", asked[0])
	}
	for name, want := range map[string]string{
		"A": `<extract|A|{"A": "one two", "$B": "*"}>`,
		"B": `<extract|B|{"A": "one two", "$B": "*"}>`,
		"C": `<extract|xop|$SECRETS>`,
		"D": `sh:kamal secrets extract A $SECRETS | tr a b`,
		"E": `sh:kamal-secrets extract`,
		"F": "none",
		"G": "error: .kamal/secrets:9: G: it failed",
	} {
		if got := look(s, name); got != want {
			t.Errorf("%s is %s; want %s", name, got, want)
		}
	}
	refused := open(t, secret.Options{Repo: files(".kamal/secrets", text), Inline: func(context.Context, []secret.Value, []string) (secret.Value, error) {
		t.Error("it is carried out where commands are refused")
		return secret.Value{}, nil
	}})
	if got := look(refused, "SECRETS"); !strings.Contains(got, "`commands` to the repository's `allow:`") {
		t.Errorf("refused: %s", got)
	}
}
