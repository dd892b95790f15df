package operate_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func TestListingsAskEveryHostOverOneConnection(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	s.run("v1")
	for _, verb := range []operation.Verb{operation.Details, operation.Containers, operation.Images, operation.Version} {
		got, err := s.do(operation.Ask{Verb: verb}, nil)
		hosts := map[string]bool{}
		for _, told := range got.told {
			hosts[told.Host] = true
		}
		if err != nil || len(hosts) != 2 {
			t.Errorf("%s: %v, told of %v", verb, err, hosts)
		}
		s.oneConnection()
	}
	for name, server := range s.servers {
		if n := server.Connections.Load(); n != 1 {
			t.Errorf("%d connections to %s", n, name)
		}
	}
}
