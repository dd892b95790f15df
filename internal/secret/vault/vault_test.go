package vault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret/program"
	"github.com/fairlead-deploy/fairlead/internal/secret/vault"
)

// world is a program that answers with how often it was asked, or fails.
type world struct {
	asked int
	fails error
	took  time.Duration
	told  []string
}

func (w *world) ask(ctx context.Context) ([]byte, error) {
	w.asked++
	select {
	case <-time.After(w.took):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return fmt.Appendf(nil, `{"N":%d}`, w.asked), w.fails
}

func (w *world) vault() *vault.Vault {
	return vault.New(vault.Options{
		Name: "op", Ask: w.ask, Cache: 10 * time.Minute, Stale: time.Hour, Random: func() float64 { return 0.5 },
		Told: func(_ context.Context, trouble string) { w.told = append(w.told, trouble) },
	})
}

// value is what the vault gives for N, or its error.
func value(t *testing.T, v *vault.Vault) string {
	t.Helper()
	place, err := v.Open(t.Context())
	if err != nil {
		return "error: " + err.Error()
	}
	n, _, err := place.Lookup("N")
	if err != nil {
		t.Error(err)
	}
	return n.Reveal()
}

func TestAnAnswerIsGoodForAWhileAndManyAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{took: time.Second}
		v := w.vault()
		got := make(chan string, 100)
		for range cap(got) {
			go func() { got <- value(t, v) }()
		}
		for range cap(got) {
			if n := <-got; n != "1" {
				t.Fatalf("one got %s", n)
			}
		}
		time.Sleep(9 * time.Minute)
		if n := value(t, v); n != "1" || w.asked != 1 {
			t.Errorf("after 9 minutes it is %s, asked %d times", n, w.asked)
		}
		time.Sleep(2 * time.Minute)
		if n := value(t, v); n != "2" || len(w.told) > 0 {
			t.Errorf("after 11 minutes it is %s; told: %q", n, w.told)
		}
	})
}

func TestOldValuesBridgeAFailureForABoundedTimeAndAreToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		v := w.vault()
		value(t, v)
		w.fails = &program.Error{Program: "op", Status: 1, Said: "(429) Too Many Requests", Err: errors.New("exit status 1")}
		time.Sleep(11 * time.Minute)
		for range 50 { // as many looks, within the pause
			if n := value(t, v); n != "1" {
				t.Fatalf("while it fails it is %s", n)
			}
		}
		if w.asked != 2 || len(w.told) != 1 || !strings.Contains(w.told[0], "Too Many Requests; the secrets that it gave 11m0s ago are used, for another 59m0s at most") {
			t.Errorf("asked %d times, told: %q", w.asked, w.told)
		}
		time.Sleep(58 * time.Minute)
		if n := value(t, v); n != "1" {
			t.Errorf("shortly before the end it is %s", n)
		}
		time.Sleep(2 * time.Minute)
		if n := value(t, v); n != "error: run op: exit status 1: (429) Too Many Requests" {
			t.Errorf("at the end it is %s", n)
		}
		if n := value(t, v); !strings.HasPrefix(n, "error: run op: exit status 1: (429) Too Many Requests; it is asked again in ") {
			t.Errorf("after the end it is %s", n)
		}
		before := w.asked
		w.fails = nil
		time.Sleep(time.Hour)
		if n := value(t, v); n != fmt.Sprint(before+1) || len(w.told) != 2 || w.told[1] != "" {
			t.Errorf("when it works again it is %s; told: %q", n, w.told)
		}
	})
}

func TestThePausesGrowWithJitterAndAreLongerWhereCallersAreLimited(t *testing.T) {
	for _, c := range []struct {
		failures int
		limited  bool
		random   float64
		want     time.Duration
	}{
		{1, false, 0, 2500 * time.Millisecond}, {1, false, 0.999999, 5 * time.Second}, {3, false, 0, 10 * time.Second}, {1000, false, 0.999999, 5 * time.Minute},
		{1, true, 0, 30 * time.Second}, {2, true, 0.5, 90 * time.Second}, {1000, true, 0.999999, 30 * time.Minute},
	} {
		if got := vault.Pause(c.failures, c.limited, c.random); (got - c.want).Abs() > time.Millisecond {
			t.Errorf("after %d failures (limited: %v, %v) it pauses %s; want %s", c.failures, c.limited, c.random, got, c.want)
		}
	}
	for said, want := range map[string]bool{
		"You have exceeded the rate limit": true, "(429) Too Many Requests": true, "ThrottlingException": true, "error 4290": false,
		"Quota exceeded for quota metric": true, "not signed in": false, "": false,
	} {
		if got := vault.Limited(&program.Error{Status: 1, Said: said}); got != want {
			t.Errorf("%q is limited: %v", said, got)
		}
	}
	if !vault.Limited(fmt.Errorf("ask: %w", &program.Error{Status: 75})) || vault.Limited(errors.New("429")) {
		t.Error("the exit status 75, and only what the program said, should count")
	}
}

func TestACallerWhoEndsIsNoFailureOfTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{took: time.Minute}
		v := w.vault()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Open(ctx); err == nil {
			t.Error("it has an answer")
		}
		w.took = 0
		if n := value(t, v); n != "2" {
			t.Errorf("the next caller gets %s", n)
		}
	})
}

func TestWhatAProgramPrintsIsAnObjectOrLinesAndNothingOfItIsSaid(t *testing.T) {
	for out, want := range map[string]string{
		`{"A":"x","B":5432,"C":true}`: "map[A:x B:5432 C:true]",
		"A=x\nexport B='5 4'\n":       "map[A:x B:5 4]",
		"":                            "error: op printed nothing; it must print a JSON object, or NAME=value lines",
		`{"A":"hunter2`:               "error: op printed what is no JSON object",
		`{"A":{"B":"hunter2"}}`:       `error: op printed a JSON object whose "A" is no text`,
		`{"A":null}`:                  `error: op printed a JSON object whose "A" is no text`,
		"hunter2\n":                   "error: the output of op:1: no NAME=value",
		"A=$HUNTER\n":                 "error: the output of op:1 refers to $HUNTER, which is not set",
		"A=$(id)\n":                   "error: the output of op:1: A: commands",
	} {
		values, err := vault.Read(t.Context(), "op", []byte(out))
		plain := map[string]string{}
		for name, v := range values {
			plain[name] = v.Reveal()
		}
		got := fmt.Sprint(plain)
		if err != nil {
			got = "error: " + err.Error()
		}
		if !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%q gives %s; want %s", out, got, want)
		}
	}
}

func FuzzWhatAProgramPrintsIsReadOrRefused(f *testing.F) {
	for _, out := range []string{`{"A":"x","B":5432}`, "A=x\nB='y'\n", "{", `{"A":{}}`, "A=$(x)"} {
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, out string) {
		if values, err := vault.Read(t.Context(), "op", []byte(out)); err != nil && values != nil {
			t.Errorf("%q gives both values and %v", out, err)
		}
	})
}
