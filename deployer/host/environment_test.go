package host_test

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host"
)

func TestTheEnvironmentOfThisProcessIsNoHosts(t *testing.T) {
	t.Setenv("FAIRLEAD_TEST_TOKEN", "s3cr3t")
	for name, tt := range map[string]struct {
		environ func() []string
		want    map[string]string
	}{
		"of a daemon": {nil, map[string]string{}},
		"of a person": {func() []string { return []string{"REGION=eu", "EMPTY=", "odd"} }, map[string]string{"REGION": "eu", "EMPTY": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			p := host.NewPool(host.Config{Environ: tt.environ}, slog.New(slog.DiscardHandler))
			defer p.Close()
			h, err := p.Get(t.Context(), host.Address{Name: "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Environment(t.Context())
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
