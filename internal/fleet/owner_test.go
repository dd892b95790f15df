package fleet

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestOnlyAnOwnerThatSurelyEndedIsDead(t *testing.T) {
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	me := self()
	for name, c := range map[string]struct {
		change func(*owner)
		dead   bool
	}{
		"this process":                            {func(*owner) {}, false},
		"a process that has ended":                {func(o *owner) { o.pid = ended.Process.Pid }, true},
		"an older process with the same id":       {func(o *owner) { o.started = "1" }, true},
		"a process before the last boot":          {func(o *owner) { o.boot = "another" }, true},
		"a process that cannot be seen from here": {func(o *owner) { o.namespace, o.pid = "1", 1 }, false},
	} {
		o := me
		c.change(&o)
		back, ok := parseOwner(o.String())
		if !ok || back != o {
			t.Errorf("%s: %q reads back as %+v", name, o, back)
		}
		if got := back.dead(); got != c.dead {
			t.Errorf("%s: dead is %t, want %t", name, got, c.dead)
		}
	}
	if _, ok := parseOwner(kept); ok {
		t.Error("a kept fleet has an owner that can die")
	}
}

func TestTheFleetOfADeadProcessIsSweptAndAKeptOneIsNot(t *testing.T) {
	ctx := t.Context()
	gone := self()
	gone.started = "1"
	id := strconv.Itoa(os.Getpid()) // others may run this test at the same moment
	for run, owned := range map[string]string{id + "dead": gone.String(), id + "kept": kept} {
		_, err := docker(ctx, "volume", "create", "--label", labelRun+"="+run, "--label", labelOwner+"="+owned,
			"--label", labelDir+"=", "fairlead-"+run)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := removeRun(context.WithoutCancel(ctx), run, ""); err != nil {
				t.Error(err)
			}
		})
	}
	if err := Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	out, err := docker(ctx, "volume", "ls", "-q")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "fairlead-"+id+"dead") || !strings.Contains(out, "fairlead-"+id+"kept") {
		t.Errorf("volumes after the sweep: %q", out)
	}
}

func FuzzAnOwnerReadsBackAsItWasWritten(f *testing.F) {
	f.Add(self().String())
	f.Add(kept)
	f.Add("a/b/007/d")
	f.Fuzz(func(t *testing.T, label string) {
		o, ok := parseOwner(label)
		if !ok {
			return
		}
		if again, ok := parseOwner(o.String()); !ok || again != o {
			t.Errorf("%q reads as %+v, and again as %+v", label, o, again)
		}
	})
}
