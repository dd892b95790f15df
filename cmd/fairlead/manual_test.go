package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/manual"
)

// said executes a command line that ends well and returns what it prints.
func said(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(context.Background(), args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("fairlead %s ends with %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

func TestEveryVerbHasAManualPageWithItsFlags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	said(t, "man", "--dir", dir)
	root := newRoot()
	root.InitDefaultCompletionCmd()
	for _, cmd := range manual.Verbs(root) {
		page, err := os.ReadFile(filepath.Join(dir, manual.Name(cmd)+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", "Exit status"} {
			if cmd.Name() != "help" && !strings.HasPrefix(cmd.CommandPath(), "fairlead completion") && !strings.Contains(string(page), part) { // cobra's say no exit status
				t.Errorf("the page of %s has no %s", cmd.CommandPath(), part)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(string(page), `\-\-`+strings.ReplaceAll(f.Name, "-", `\-`)) {
				t.Errorf("the page of %s does not tell of --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
	pages, err := filepath.Glob(dir + "/*.1")
	if err != nil || len(pages) != len(manual.Verbs(root)) {
		t.Errorf("%d pages of %d verbs, %v", len(pages), len(manual.Verbs(root)), err)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return // its formatting is looked at where there is what formats
	}
	var warnings bytes.Buffer
	cmd := exec.CommandContext(t.Context(), groff, slices.Concat([]string{"-man", "-Tutf8", "-K", "utf8", "-ww", "-z"}, pages)...)
	cmd.Stderr = &warnings
	if err := cmd.Run(); err != nil || warnings.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, warnings.String())
	}
}

func TestAManualPageIsShownForAVerbAndNoneForAnother(t *testing.T) {
	if page := said(t, "man", "app", "exec"); !strings.Contains(page, `fairlead\-app\-exec \- `) {
		t.Errorf("it begins\n%.300s", page)
	}
	var out, errs bytes.Buffer
	if code := execute(context.Background(), []string{"man", "app", "bake"}, strings.NewReader(""), &out, &errs); code != 1 || !strings.Contains(errs.String(), "there is no verb app bake") {
		t.Errorf("it ends with %d: %s", code, errs.String())
	}
}

func TestEveryVerbAndFlagIsCompletedByTheShell(t *testing.T) {
	for _, cmd := range manual.Verbs(newRoot()) {
		path := strings.Fields(cmd.CommandPath())[1:]
		if cmd.HasAvailableSubCommands() {
			offered := said(t, slices.Concat([]string{"__complete"}, path, []string{""})...)
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() && !strings.Contains("\n"+offered, "\n"+c.Name()+"\t") {
					t.Errorf("after %s nothing offers %s", cmd.CommandPath(), c.Name())
				}
			}
		}
		offered := said(t, slices.Concat([]string{"__complete"}, path, []string{"--"})...)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains("\n"+offered, "\n--"+f.Name+"\t") {
				t.Errorf("after %s nothing offers --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
}
