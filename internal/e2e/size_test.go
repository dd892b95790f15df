package e2e_test

import (
	"debug/elf"
	"os"
	"testing"
)

func TestTheProgramIsOneStaticFileOfAtMostFortyMegabytes(t *testing.T) {
	info, err := os.Stat(shared.program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB", float64(info.Size())/1e6)
	if info.Size() > 40e6 {
		t.Errorf("it has %d bytes", info.Size())
	}
	file, err := elf.Open(shared.program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if needed, err := file.ImportedLibraries(); err != nil || len(needed) > 0 {
		t.Errorf("it needs %q, %v", needed, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
}
