package packaging

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A Deb is a binary package (deb(5)).
type Deb struct {
	Name, Version, Arch string // Version without "v"
	Section, Priority   string
	Maintainer          string
	Homepage            string
	Depends, Recommends string
	Summary             string // one line
	Description         string // lines of text
	Files               []File // from the root, without a leading slash
	Conffiles           []string
	Scripts             map[string]string // "postinst", …
}

var (
	debName    = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)           // Debian policy 5.6.7
	debVersion = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~]*(-[0-9]+)?$`) // and 5.6.12, without epochs
)

// DebVersion turns v1.2.3-rc.1 into 1.2.3~rc.1, which sorts before 1.2.3.
func DebVersion(version string) (string, error) {
	v := strings.TrimPrefix(version, "v")
	number, pre, _ := strings.Cut(v, "-")
	if pre != "" {
		number += "~" + strings.ReplaceAll(pre, "-", ".")
	}
	if !debVersion.MatchString(number) {
		return "", fmt.Errorf("%q makes no version of a Debian package; use v1.2.3 or v1.2.3-rc.1", version)
	}
	return number, nil
}

// Build writes the package.
func (d Deb) Build(at time.Time) ([]byte, error) {
	if !debName.MatchString(d.Name) || !debVersion.MatchString(d.Version) {
		return nil, fmt.Errorf("build package: %q %q are no name and version", d.Name, d.Version)
	}
	data, err := TarGz(d.Files, "./", at)
	if err != nil {
		return nil, fmt.Errorf("build package: %w", err)
	}
	control, err := TarGz(d.control(), "./", at)
	if err != nil {
		return nil, fmt.Errorf("build package: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	var errs []error
	for _, m := range []File{
		{Path: "debian-binary", Content: []byte("2.0\n")}, {Path: "control.tar.gz", Content: control}, {Path: "data.tar.gz", Content: data},
	} {
		errs = append(errs, member(&out, m, at))
	}
	return out.Bytes(), errors.Join(errs...)
}

// member writes one file of an ar archive (ar(5), the common format).
func member(out *bytes.Buffer, f File, at time.Time) error {
	if len(f.Path) > 16 || len(fmt.Sprint(len(f.Content))) > 10 {
		return fmt.Errorf("write %s: too long for ar", f.Path)
	}
	fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", f.Path, at.Unix(), 0, 0, 0o100644, len(f.Content))
	out.Write(f.Content)
	if len(f.Content)%2 == 1 {
		out.WriteByte('\n')
	}
	return nil
}

func (d Deb) control() []File {
	var sums strings.Builder
	size := 0
	for _, f := range withFolders(d.Files) {
		if !f.Mode.IsDir() {
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.Content), f.Path) // what dpkg --verify reads
			size += (len(f.Content) + 1023) / 1024
		}
	}
	files := []File{
		{Path: "control", Mode: 0o644, Content: []byte(d.fields(size))},
		{Path: "md5sums", Mode: 0o644, Content: []byte(sums.String())},
	}
	if len(d.Conffiles) > 0 {
		files = append(files, File{Path: "conffiles", Mode: 0o644, Content: []byte(strings.Join(d.Conffiles, "\n") + "\n")})
	}
	for name, text := range d.Scripts {
		files = append(files, File{Path: name, Mode: 0o755, Content: []byte(text)})
	}
	return files
}

func (d Deb) fields(kilobytes int) string {
	var b strings.Builder
	for _, f := range [][2]string{
		{"Package", d.Name}, {"Version", d.Version}, {"Architecture", d.Arch}, {"Maintainer", d.Maintainer},
		{"Installed-Size", fmt.Sprint(kilobytes)}, {"Depends", d.Depends}, {"Recommends", d.Recommends},
		{"Section", d.Section}, {"Priority", d.Priority}, {"Homepage", d.Homepage}, {"Description", d.Summary},
	} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
		}
	}
	for line := range strings.Lines(d.Description) {
		if line = strings.TrimSpace(line); line == "" {
			line = "."
		}
		b.WriteString(" " + line + "\n")
	}
	return b.String()
}
