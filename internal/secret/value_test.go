package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"gopkg.in/yaml.v3"
)

const canary = "hunter2-canary"

func TestAValueNeverPrintsItsContent(t *testing.T) {
	v := secret.New(canary)
	holder := struct {
		V secret.Value
		P *secret.Value
		p secret.Value // fmt does not ask the methods of what is unexported
	}{v, &v, v}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "holder", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "holder", holder)
	asJSON, err := json.Marshal(map[string]any{"v": v, "holder": holder})
	asYAML, err2 := yaml.Marshal(map[string]any{"v": v, "holder": holder})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"log": log.String(), "json": string(asJSON), "yaml": string(asYAML)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%20s"} {
		texts[verb] = fmt.Sprintf(verb, v) + fmt.Sprintf(verb, holder)
	}
	for how, text := range texts {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

func TestValuesCompareByContent(t *testing.T) {
	if !secret.New("a").Equal(secret.New("a")) || secret.New("a").Equal(secret.New("b")) || secret.New("a").Equal(secret.New("")) {
		t.Error("Equal does not compare contents")
	}
	if secret.New(canary).Reveal() != canary {
		t.Error("Reveal lost the content")
	}
}
