package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Inline carries out `kamal secrets fetch` and `extract` of a secrets file. with
// makes what runs a vendor's program, given the file's values so far.
func Inline(with func(env []string) Runner) secret.Inliner {
	return func(ctx context.Context, args []secret.Value, env []string) (secret.Value, error) {
		words := make([]string, len(args))
		for i, a := range args {
			words[i] = a.Reveal()
		}
		var q Query
		flags := pflag.NewFlagSet("secrets", pflag.ContinueOnError)
		flags.Usage = func() {}
		flags.StringVarP(&q.Adapter, "adapter", "a", "", "")
		flags.StringVar(&q.Account, "account", "", "")
		flags.StringVar(&q.From, "from", "", "")
		flags.Bool("inline", false, "")
		if flags.Parse(words) != nil || flags.NArg() == 0 { // its words may hold a value
			return secret.Value{}, errors.New("write `secrets fetch -a ADAPTER [--account A] [--from F] NAME…` or `secrets extract NAME JSON`")
		}
		switch verb := flags.Arg(0); verb {
		case "fetch":
			q.Names = flags.Args()[1:]
			values, err := Fetch(ctx, q, with(env))
			if err != nil {
				return secret.Value{}, err
			}
			return Object(values), nil
		case "extract":
			if flags.NArg() != 3 {
				return secret.Value{}, errors.New("write `secrets extract NAME JSON`")
			}
			return Extract(flags.Arg(1), secret.New(flags.Arg(2)))
		default:
			return secret.Value{}, fmt.Errorf("`secrets %s` gives no secret: write fetch or extract", verb)
		}
	}
}

// Object is what was fetched, as JSON.
func Object(values map[string]secret.Value) secret.Value {
	plain := make(map[string]string, len(values))
	for name, v := range values {
		plain[name] = v.Reveal()
	}
	text, _ := json.Marshal(plain) // texts always can
	return secret.New(string(text))
}
