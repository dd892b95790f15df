package sealed_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/sealed"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// encrypt makes a file of age's.
func encrypt(t *testing.T, plain string, armored bool, to ...age.Recipient) string {
	t.Helper()
	var file bytes.Buffer
	var out io.Writer = &file
	var arm io.WriteCloser
	if armored {
		arm = armor.NewWriter(&file)
		out = arm
	}
	w, err := age.Encrypt(out, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if arm != nil {
		if err := arm.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return file.String()
}

// keys gives identities in a file as age-keygen writes it.
func keys(ids ...*age.X25519Identity) sealed.Keys {
	text := "# created: 2026-11-20T08:00:00Z\n"
	for _, id := range ids {
		text += id.String() + "\n"
	}
	return sealed.Keys{Age: func() (secret.Value, error) { return secret.New(text), nil }}
}

func open(t *testing.T, k sealed.Keys, files fstest.MapFS, destination string) (secret.Source, error) {
	t.Helper()
	return secret.Open(t.Context(), secret.Options{Repo: files, Destination: destination, Unseal: k.Unseal})
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestFilesThatAgeEncryptedAreReadAsThePlainOnesAre(t *testing.T) {
	ours, other := identity(t), identity(t)
	files := fstest.MapFS{
		".kamal/secrets.age":               file(encrypt(t, "BASE=shop\nURL=postgres://$BASE\n", false, other.Recipient(), ours.Recipient())),
		".kamal/secrets-common.age":        file(encrypt(t, "COMMON=common\nBASE=common\n", true, ours.Recipient())),
		"config/secrets":                   file(encrypt(t, "CONFIG=config\n", true, ours.Recipient())),
		".kamal/secrets.staging":           file("BASE=staging\n"),
		".kamal/secrets.staging.age":       file("not looked at without its destination"),
		"config/secrets.production.age":    file("nor is this, as there is config/secrets"),
		".kamal/secrets.age.old/something": file("a folder is no file"),
	}
	s, err := open(t, keys(identity(t), ours), files, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"BASE": "shop", "URL": "postgres://shop", "COMMON": "common", "CONFIG": "config"} {
		if v, ok, err := s.Lookup(name); v.Reveal() != want || !ok || err != nil {
			t.Errorf("%s is %q, %v, %v; want %q", name, v.Reveal(), ok, err, want)
		}
	}
}

func TestAFileThatCannotBeOpenedSaysWhatToDo(t *testing.T) {
	ours, other := identity(t), identity(t)
	whole := encrypt(t, "A=hunter2-canary\n", false, ours.Recipient())
	none := sealed.Keys{Age: func() (secret.Value, error) { return secret.Value{}, errors.New("no key is here: add one") }}
	bad := sealed.Keys{Age: func() (secret.Value, error) { return secret.New("hunter2-canary\n"), nil }}
	for name, c := range map[string]struct {
		k          sealed.Keys
		text, want string
	}{
		"no key":        {none, whole, "no key is here: add one"},
		"another key":   {keys(other), whole, "not encrypted for the key that is here (" + other.Recipient().String() + ")"},
		"an unread key": {bad, whole, "the age key is unreadable"},
		"damaged":       {keys(ours), whole[:len(whole)-1], "decrypt it with age"},
		"changed":       {keys(ours), whole[:len(whole)-3] + "xyz", "decrypt it with age"},
		"plain":         {keys(ours), "A=hunter2-canary\n", "it is not encrypted with age"},
	} {
		_, err := open(t, c.k, fstest.MapFS{".kamal/secrets.age": file(c.text)}, "")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), ".kamal/secrets.age") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2-canary") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
	if _, err := secret.Open(t.Context(), secret.Options{Repo: fstest.MapFS{".kamal/secrets": file(whole)}}); err == nil || !strings.Contains(err.Error(), "is encrypted") {
		t.Errorf("without keys: %v", err)
	}
}

func TestOtherKeysThanAgesNeedTheProgramSops(t *testing.T) {
	kms := "PASSWORD=ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops_kms__list_0__map_arn=arn:aws:kms:eu\nsops_lastmodified=2026-11-20T08:00:00Z\nsops_mac=ENC[]\n"
	files := fstest.MapFS{".kamal/secrets": file(kms)}
	k := keys(identity(t))
	k.Refused = "add `commands` to `allow:`"
	if _, err := open(t, k, files, ""); err == nil || !strings.Contains(err.Error(), "but for: kms; add `commands` to `allow:`") {
		t.Errorf("refused: %v", err)
	}
	k.Program = func(_ context.Context, format string, data []byte) ([]byte, error) {
		if format != "dotenv" || string(data) != kms {
			t.Errorf("the program gets %s:\n%s", format, data)
		}
		return []byte(`{"PASSWORD":"hunter2","db":{"port":5432}}`), nil
	}
	s, err := open(t, k, files, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"PASSWORD": "hunter2", "db.port": "5432"} {
		if v, _, err := s.Lookup(name); v.Reveal() != want || err != nil {
			t.Errorf("%s is %q, %v", name, v.Reveal(), err)
		}
	}
	k.Program = func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("exit status 128") }
	if _, err := open(t, k, files, ""); err == nil || !strings.Contains(err.Error(), "the program sops: exit status 128") {
		t.Errorf("failed: %v", err)
	}
	if _, err := open(t, k, fstest.MapFS{".kamal/secrets.yaml": file("PASSWORD: hunter2\n")}, ""); err == nil ||
		!strings.Contains(err.Error(), "sops encrypt") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("plain: %v", err)
	}
}
