// Package schema is the JSON Schemas of deploy.yml and fairlead.yml, for
// editors, drawn from the code that reads the files.
//
// Lives here: a sentence for every key. May not live here: which keys there are.
package schema

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/jsonschema"
)

var (
	//go:embed deploy.txt
	deployTexts string
	//go:embed fairlead.txt
	fairleadTexts string
)

// site is where the schemas can be had, so that editors find them.
const site = "https://raw.githubusercontent.com/fairlead-deploy/fairlead/main/docs/schema/"

// Line is the first line of a file, by which editors find the schema of
// it: file is "deploy" or "fairlead".
func Line(file string) string {
	return "# yaml-language-server: $schema=" + site + file + ".json\n"
}

// Of returns the JSON Schema of deploy.yml ("deploy") or of fairlead.yml
// ("fairlead"), drawn from the code that reads them.
func Of(file string) ([]byte, error) {
	switch file {
	case "deploy":
		return jsonschema.Write(spec.Shape(), jsonschema.Options{
			ID: site + "deploy.json", Title: "deploy.yml of Kamal and Fairlead", Free: "x-", Lenient: true, Describe: describer(deployTexts)})
	case "fairlead":
		return jsonschema.Write(config.Shape(), jsonschema.Options{
			ID: site + "fairlead.json", Title: "fairlead.yml", Free: "x-", Describe: describer(fairleadTexts)})
	}
	return nil, fmt.Errorf("write schema: there is none of %q; write deploy or fairlead", file)
}

// describer finds the sentence of a path, else that of its end: roles' proxy.host
// is told once, as proxy.host.
func describer(texts string) func(string) string {
	byPath := map[string]string{}
	for line := range strings.Lines(texts) {
		path, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		byPath[path] = text
	}
	return func(path string) string {
		for rest, more := path, true; more; _, rest, more = strings.Cut(rest, ".") {
			if text := byPath[rest]; text != "" {
				return text
			}
		}
		return ""
	}
}
