package spec

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/fairlead-deploy/fairlead/deployer/spec/flags"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var restartPattern = regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:\d{1,6})?)$`)

// readOptions reads docker run flags; restart is returned apart.
func readOptions(v schema.Value) (options map[string][]string, restart string) {
	options, restart = map[string][]string{}, "unless-stopped"
	known := flags.All()
	v.Each(func(flag string, value schema.Value) {
		if why, ok := flags.Own(flag); ok {
			v.AtKey(flag).Fail(why, "the flag cannot be set")
			return
		}
		if !slices.Contains(known, flag) {
			v.AtKey(flag).Fail(schema.Suggest(flag, known), "docker run has no flag --%s", flag)
			return
		}
		if flag == "restart" {
			restart = readRestart(value)
			return
		}
		switch value.Kind() {
		case schema.Map:
			value.Fail("write a value or a list of values", "must be no map")
		case schema.Null:
			options[flag] = []string{""}
		case schema.Scalar:
			options[flag] = []string{value.Plain()}
		default:
			for _, item := range value.Items() {
				options[flag] = append(options[flag], item.Plain())
			}
		}
		checkOption(flag, options[flag], value)
	})
	return options, restart
}

// checkOption looks at the flags whose values this package understands.
func checkOption(flag string, values []string, v schema.Value) {
	for _, text := range values {
		switch flag {
		case "publish", "expose":
			checkPublish(v, text)
		case "volume":
			checkVolume(v, text)
		}
		if strings.ContainsFunc(text, unicode.IsControl) {
			v.Fail("", "the value has control characters")
		}
	}
}

func readRestart(v schema.Value) string {
	text := v.Text()
	if text == "false" {
		text = "no"
	}
	if !restartPattern.MatchString(text) {
		v.Fail("no, always, unless-stopped or on-failure[:TIMES]", "%q is not a restart policy", text)
	}
	return text
}

// readLabels reads labels; those that identify a container are not to be set.
func readLabels(v schema.Value) map[string]string {
	out := v.Pairs()
	v.Each(func(key string, value schema.Value) {
		switch at := v.AtKey(key); {
		case key == "service" || key == "role" || key == "destination":
			at.Fail("choose another name", "the label is reserved: containers are found by it")
		case strings.HasPrefix(key, "fairlead."):
			at.Fail("choose another name", "labels fairlead.* are reserved")
		case key == "" || len(key) > 255 || strings.HasPrefix(key, "-") || strings.ContainsFunc(key, notInKey):
			at.Fail("no blanks, no =, no leading -", "%q cannot be a label", key)
		}
	})
	return out
}

func notInKey(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '=' }
