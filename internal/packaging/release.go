package packaging

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MaxProgram is how big a program of a release may be, in bytes.
const MaxProgram = 40 << 20

// Write writes a program's archive, and for Linux its Debian package, into a
// folder and returns the files' names.
func (p Parts) Write(dir string, prog Program, at time.Time) ([]string, error) {
	if err := check(prog); err != nil {
		return nil, err
	}
	archive, err := TarGz(p.Archive(prog), "", at)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{p.name(prog) + ".tar.gz": archive}
	if prog.OS == "linux" {
		d, err := p.Deb(prog)
		if err != nil {
			return nil, err
		}
		if files[fmt.Sprintf("fairlead_%s_%s.deb", d.Version, d.Arch)], err = d.Build(at); err != nil {
			return nil, err
		}
	}
	var names []string
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// check refuses a program that is too big, or that needs libraries.
func check(prog Program) error {
	if n := len(prog.Content); n > MaxProgram {
		return fmt.Errorf("program for %s/%s has %d MB; %d are allowed", prog.OS, prog.Arch, n>>20, MaxProgram>>20)
	}
	if prog.OS != "linux" {
		return nil
	}
	f, err := elf.NewFile(bytes.NewReader(prog.Content))
	if err != nil {
		return fmt.Errorf("read program for %s: %w", prog.Arch, err)
	}
	defer f.Close()
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			return errors.New("the program is not static; build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// Sums writes SHA256SUMS about files of a folder, as sha256sum --check reads
// them.
func Sums(dir string, names []string) error {
	var b strings.Builder
	for _, name := range slices.Sorted(slices.Values(names)) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(content), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644)
}
