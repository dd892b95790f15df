package rollout_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

func TestOldCertificatesAreRemovedHoweverOftenAndOthersStay(t *testing.T) {
	const folder = ".kamal/proxy/apps-config/shop/tls"
	on(t, []string{"a"}, func(t *testing.T, s *stage) {
		drop := plan.DropFolders{Folder: folder, Roles: []string{"web"}, Keep: []string{"web-bbbbbbbbbbbb"}}
		if err := s.does(t, "a", drop); err != nil {
			t.Errorf("where no service ever had a certificate: %v", err)
		}
		f := s.Hosts["a"].Files
		for _, name := range []string{"web-aaaaaaaaaaaa", "web-bbbbbbbbbbbb", "web-cccccccccccc", "web", "admin-aaaaaaaaaaaa"} {
			if err := errors.Join(f.MkdirAll(t.Context(), folder+"/"+name, 0o755), f.Write(t.Context(), folder+"/"+name+"/key.pem", nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		// One that a death left without its files.
		if err := f.RemoveAll(t.Context(), folder+"/web-cccccccccccc/key.pem"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.does(t, "a", drop); err != nil {
				t.Error(err)
			}
			left, err := f.ReadDir(t.Context(), folder)
			if got, want := names(left), []string{"admin-aaaaaaaaaaaa", "web", "web-bbbbbbbbbbbb"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("left are %v (%v), want %v", got, err, want)
			}
		}
	})
}

func names(list []fs.FileInfo) (all []string) {
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}
