package traefik

import (
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
)

// One file that is no YAML keeps Traefik from taking up any.
func TestWhateverALabelSaysItsFileIsYAMLThatSaysTheSame(t *testing.T) {
	for _, said := range []string{"a\u0085http: {x: 1}", "a\x7fb", "a\u0081b", "\ufeffa", "a\ufffe\uffff", "a\u2028b", "{{ env `HOME` }}", "\U0001f600"} {
		const label = "traefik.http.middlewares.m.headers.customRequestHeaders.X-A"
		s := Service{Live: &Assigned{Route: option.Route{Service: "app", Port: 80}, Containers: []string{"abc"}, Labels: map[string]string{label: said}}}
		text, err := Write(s, Static{})
		var got struct {
			HTTP struct {
				Middlewares map[string]struct {
					Headers struct {
						Custom map[string]string `yaml:"customRequestHeaders"`
					}
				}
			}
		}
		if err == nil {
			err = yaml.Unmarshal(text, &got)
		}
		if is := got.HTTP.Middlewares["app.m"].Headers.Custom["X-A"]; err != nil || is != said {
			t.Errorf("%q: %q, %v", said, is, err)
		}
		if back, err := Parse(text); err != nil || back.Live.Labels[label] != said {
			t.Errorf("%q read back: %+v, %v", said, back.Live, err)
		}
	}
}

func TestAFileWithLabelsThatAreNotForARouteIsNotRead(t *testing.T) {
	text := title + prefix + `{"live":{"route":{"service":"a"},"containers":["b"],"labels":{"traefik.http":"x"}}}` + "\n"
	if s, err := Parse([]byte(text)); err == nil {
		t.Errorf("%+v", s.Live)
	}
}
