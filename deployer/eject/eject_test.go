package eject_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/eject"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func TestSecretsAreWrittenAsKamalWritesThem(t *testing.T) {
	env := map[string]secret.Value{}
	for name, value := range map[string]string{
		"PLAIN": "a b=c", "QUOTES": `a "b" 'c' #d`, "BACKSLASH": `a\nb`, "LINES": "-----BEGIN\nkey\t\r\n", "UTF8": "中文 é", "BELL": "\a\x01", "CLEAR": "no secret",
	} {
		env[name] = secret.New(value)
	}
	var refs []spec.SecretRef
	for _, name := range []string{"PLAIN", "QUOTES", "BACKSLASH", "LINES", "UTF8", "BELL", "GONE"} {
		refs = append(refs, spec.SecretRef{Name: name})
	}
	want := "PLAIN=a b=c\nQUOTES=a \"b\" 'c' #d\nBACKSLASH=a\\\\nb\nLINES=-----BEGIN\\nkey\\t\\r\\n\nUTF8=中文 é\nBELL=\\a\\x01\n"
	if got := string(eject.EnvFile(refs, env)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := string(eject.EnvFile(nil, env)); got != "\n" {
		t.Errorf("without secrets it is %q", got)
	}
}
