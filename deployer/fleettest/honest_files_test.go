package fleettest_test

import (
	"testing"
	"testing/synctest"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
)

// folder is a home folder, fake or real, and what a script said of it.
type folder struct {
	*site
	lock.Files
}

func (f folder) mkdir(dir string) { f.did("mkdir "+dir, f.Mkdir(f.t.Context(), dir, 0o755)) }

func (f folder) write(name, text string) {
	f.did("write "+name, f.Write(f.t.Context(), name, []byte(text), 0o644))
}

func (f folder) read(name string) {
	text, err := f.Read(f.t.Context(), name)
	f.did("read "+name, err)
	f.say("%q", text)
}

func (f folder) move(from, to string) {
	f.did("move "+from+" to "+to, f.Rename(f.t.Context(), from, to))
}

func (f folder) remove(name string) { f.did("remove "+name, f.RemoveAll(f.t.Context(), name)) }

// locking is all that package lock does with files, in its good order and not.
func locking(f folder) {
	f.mkdir(".kamal/lock-shop")
	f.did("mkdir -p", f.MkdirAll(f.t.Context(), ".kamal", 0o755))
	f.did("mkdir -p again", f.MkdirAll(f.t.Context(), ".kamal", 0o755))
	f.mkdir(".kamal/lock-shop")
	f.mkdir(".kamal/lock-shop")
	f.read(".kamal/lock-shop/details")
	f.write(".kamal/lock-shop/details", "one")
	f.read(".kamal/lock-shop/details")
	f.write(".kamal/lock-shop/details", "2")
	f.read(".kamal/lock-shop/details")
	f.write(".kamal/none/details", "nowhere")
	f.move(".kamal/none", ".kamal/other")
	f.mkdir(".kamal/grave")
	f.write(".kamal/grave/details", "old")
	f.move(".kamal/lock-shop", ".kamal/grave")
	f.read(".kamal/grave/details")
	f.read(".kamal/lock-shop/details")
	f.remove(".kamal/grave")
	f.remove(".kamal/grave")
	f.move(".kamal/lock-shop", ".kamal/grave")
	f.read(".kamal/grave/details")
	f.read(".kamal/lock-shop/details")
	f.mkdir(".kamal/lock-shop")
	f.move(".kamal/grave", ".kamal/lock-shop") // which is empty
	f.read(".kamal/lock-shop/details")
	f.read(".kamal/grave/details")
	f.mkdir(".kamal/lock-shop-staging")
	f.remove(".kamal/lock-shop")
	f.mkdir(".kamal/lock-shop-staging")
}

func TestTheFakeFilesAreHonest(t *testing.T) {
	var there, here []string
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := fleettest.New(1, "a")
			f := folder{&site{t: t, prefix: "/none/"}, w.Start("installation-1", w.Memory, func() {}).Hands("a").Files}
			locking(f)
			there = f.said
		})
	})
	t.Run("real", func(t *testing.T) {
		door := files.NewLocal(t.TempDir(), unique).Door()
		f := folder{&site{t: t, prefix: "/none/"}, door}
		locking(f)
		here = f.said
	})
	alike(t, there, here)
}
