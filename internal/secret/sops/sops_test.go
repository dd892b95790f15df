package sops_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret/sops"
)

// The data key of all files of these tests.
const dataKey = "0123456789abcdef0123456789abcdef"

const modified = "2026-11-20T08:00:00Z"

// seal is a value as sops writes it, for its place.
func seal(t testing.TB, text, kind, place string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(dataKey))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, 32)
	if err != nil {
		t.Fatal(err)
	}
	iv := []byte("an iv that is only for this test")
	out := gcm.Seal(nil, iv, []byte(text), []byte(place))
	b64, cut := base64.StdEncoding.EncodeToString, len(out)-16
	return fmt.Sprintf("ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:%s]", b64(out[:cut]), b64(iv), b64(out[cut:]), kind)
}

// code is the sealed code over values.
func code(t testing.TB, values ...string) string {
	t.Helper()
	return seal(t, fmt.Sprintf("%X", sha512.Sum512([]byte(strings.Join(values, "")))), "str", modified)
}

func yamlFile(t testing.TB) string {
	return "PASSWORD: " + seal(t, "hunter2", "str", "PASSWORD:") + "\n" +
		"database:\n    port: " + seal(t, "5432", "int", "database:port:") + "\n" +
		"    hosts:\n        - " + seal(t, "db1", "str", "database:hosts:") + "\n        - " + seal(t, "db2", "str", "database:hosts:") + "\n" +
		"tls: " + seal(t, "True", "bool", "tls:") + "\nempty: \"\"\nnothing: null\nregion_unencrypted: eu\n" +
		"sops:\n    age:\n        - recipient: age1x\n          enc: wrapped\n    lastmodified: \"" + modified + "\"\n" +
		"    mac: " + code(t, "hunter2", "5432", "db1", "db2", "True", "", "eu") + "\n    unencrypted_suffix: _unencrypted\n    version: 3.9.0\n"
}

func jsonFile(t testing.TB) string {
	return "{\n\t\"PASSWORD\": \"" + seal(t, "hunter2", "str", "PASSWORD:") + "\",\n\t\"port_unencrypted\": 5432,\n\t\"on_unencrypted\": true,\n" +
		"\t\"sops\": {\"age\": [{\"enc\": \"wrapped\"}], \"unencrypted_suffix\": \"_unencrypted\", \"lastmodified\": \"" + modified + "\", \"mac\": \"" +
		code(t, "hunter2", "5432", "True") + "\"}\n}\n"
}

func dotenvFile(t testing.TB) string {
	return "#a note\nPASSWORD=" + seal(t, "hunter2", "str", "PASSWORD:") + "\nKEY=" + seal(t, "one\ntwo", "str", "KEY:") + "\n" +
		"sops_age__list_0__map_enc=wrapped\\nkey\nsops_age__list_0__map_recipient=age1x\nsops_lastmodified=" + modified + "\n" +
		"sops_mac=" + code(t, "hunter2", "one\ntwo") + "\nsops_version=3.9.0\n"
}

func decrypt(name, data string) (string, error) {
	f, err := sops.Parse(name, []byte(data))
	if err != nil {
		return "", err
	}
	values, err := f.Decrypt([]byte(dataKey))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%s=%q ", v.Name, v.Plain)
	}
	return strings.TrimSpace(b.String()), nil
}

func TestDotenvYAMLAndJSONAreDecrypted(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"secrets.yaml", yamlFile(t), `PASSWORD="hunter2" database.port="5432" database.hosts.0="db1" database.hosts.1="db2" tls="true" empty="" region_unencrypted="eu"`},
		{"secrets.json", jsonFile(t), `PASSWORD="hunter2" port_unencrypted="5432" on_unencrypted="true"`},
		{"secrets", dotenvFile(t), `PASSWORD="hunter2" KEY="one\ntwo"`},
	} {
		if got, err := decrypt(c.name, c.data); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestTheWrappedDataKeysAreFound(t *testing.T) {
	f, err := sops.Parse("secrets", []byte(dotenvFile(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.AgeKeys(); len(got) != 1 || got[0] != "wrapped\nkey" {
		t.Errorf("the wrapped keys are %q", got)
	}
}

func TestAFileThatWasChangedIsRefusedAndNoValueIsSaid(t *testing.T) {
	whole := yamlFile(t)
	for name, c := range map[string]struct{ data, want string }{
		"an unencrypted value": {strings.Replace(whole, "_unencrypted: eu", "_unencrypted: us", 1), "changed by something other than sops"},
		"a value that is gone": {strings.Replace(whole, "region_unencrypted: eu\n", "", 1), "changed by something other than sops"},
		"a moved value":        {strings.Replace(whole, "PASSWORD:", "OTHER:", 1), `decrypt "OTHER": the data key does not fit`},
		"a plain value":        {strings.Replace(whole, "PASSWORD: ENC", "PASSWORD: hunter2 #", 1), `decrypt "PASSWORD": it is not encrypted, and should be`},
		"another time":         {strings.Replace(whole, modified, "2026-11-20T08:00:01Z", 1), "decrypt its sops.mac"},
		"swapped in a list":    {swap(whole), "changed by something other than sops"},
	} {
		got, err := decrypt("a.yaml", c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds a value: %v", name, err)
		}
	}
	f, err := sops.Parse("a.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decrypt([]byte(strings.Repeat("x", 32))); err == nil {
		t.Error("another data key opens the file")
	}
	if _, err := f.Decrypt([]byte("short")); err == nil {
		t.Error("a short data key opens the file")
	}
}

// swap exchanges the two members of the list, which stand at one place.
func swap(file string) string {
	lines := strings.Split(file, "\n")
	lines[4], lines[5] = lines[5], lines[4]
	return strings.Join(lines, "\n")
}

func TestWhatOnlySopsCanReadIsNamed(t *testing.T) {
	for data, want := range map[string]string{
		"A=b\n": "not encrypted by sops",
		"A=b\nsops_mac=x\nsops_kms__list_0__map_arn=arn:aws\n":                                  "for: kms",
		"A=b\nsops_mac=x\nsops_key_groups__list_0__map_age__list_0__map_enc=x\n":                "groups of keys",
		"A=b\nsops_mac=x\nsops_age__list_0__map_enc=x\nsops_encrypted_comment_regex=sops:enc\n": "comments say",
		"A=b\nA=c\nsops_mac=x\n":          `"A" is there twice`,
		"A=b\nnothing here\nsops_mac=x\n": "line 2",
		"A=b\nsops_mac=x\nsops_lastmodified=today\nsops_age__list_0__map_enc=x\nsops_encrypted_regex=(": "no pattern",
	} {
		_, err := decrypt("secrets", data)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", data, err, want)
		}
		if _, unsupported := errors.AsType[*sops.UnsupportedError](err); unsupported == (strings.Contains(want, "there") || strings.Contains(want, "line") || strings.Contains(want, "not encrypted") || strings.Contains(want, "pattern")) {
			t.Errorf("%q: unsupported is %v", data, unsupported)
		}
	}
	for name, data := range map[string]string{"a.yaml": "a: &x b\nc: *x\nsops: {mac: x}\n", "b.yaml": "a: b\n---\nc: d\n", "c.yaml": strings.Repeat("[", 5000), "d.yaml": "- a\n",
		"e.json": `{"a":`, "f.json": `{"a":1} {}`, "g.json": strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "h.yaml": ""} {
		if _, err := sops.Parse(name, []byte(data)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestOnlyTheValuesThatTheRulesNameAreEncrypted(t *testing.T) {
	tail := func(rule, mac string) string {
		return "sops:\n  age: [{enc: x}]\n  lastmodified: \"" + modified + "\"\n  mac: " + mac + "\n  " + rule + "\n"
	}
	for rule, encrypted := range map[string]bool{
		"encrypted_suffix: _secret": true, "encrypted_suffix: _other": false, "unencrypted_suffix: _secret": false,
		"encrypted_regex: ^A_": true, "encrypted_regex: ^B_": false, "unencrypted_regex: ^A_": false, "unencrypted_regex: ^B_": true,
	} {
		value := "plain"
		if encrypted {
			value = seal(t, "plain", "str", "A_secret:")
		}
		if got, err := decrypt("a.yaml", "A_secret: "+value+"\n"+tail(rule, code(t, "plain"))); err != nil || got != `A_secret="plain"` {
			t.Errorf("%s: %s, %v", rule, got, err)
		}
	}
}

func FuzzAForeignFileIsReadOrRefused(f *testing.F) {
	for name, data := range map[string]string{"a.yaml": yamlFile(f), "a.json": jsonFile(f), "a": dotenvFile(f)} {
		f.Add(name, data)
	}
	f.Add("b.json", `{"a":[1,2,{"b":null}],"sops":{"mac":"ENC[AES256_GCM,data:,iv:AA==,tag:AA==,type:str]","lastmodified":"2026-11-20T08:00:00Z","age":[{"enc":"x"}]}}`)
	f.Fuzz(func(t *testing.T, name, data string) {
		file, err := sops.Parse(name, []byte(data))
		if err != nil {
			return
		}
		if values, err := file.Decrypt([]byte(dataKey)); err == nil && len(values) > strings.Count(data, "=")+strings.Count(data, ":") {
			t.Errorf("%d values of %q", len(values), data)
		}
	})
}
