package command

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// NewLog writes a log as fairlead.yml says.
func NewLog(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// NewRand seeds the jitter of polls and retries.
func NewRand() *mathrand.Rand {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails since Go 1.24
	return mathrand.New(mathrand.NewChaCha8(seed))
}

// Program returns this very program for hosts of its architecture, and the one
// that lies beside it for others, with the machine's CA roots.
func Program(arch string) (binary, roots []byte, err error) {
	file, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != arch {
		file = filepath.Join(filepath.Dir(file), "fairlead-linux-"+arch)
	}
	if binary, err = os.ReadFile(file); err != nil {
		return nil, nil, fmt.Errorf("find the program for %s hosts: %w; put fairlead-linux-%s beside the fairlead program", arch, err, arch)
	}
	for _, at := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"} {
		if roots, err = os.ReadFile(at); err == nil {
			return binary, roots, nil
		}
	}
	return binary, nil, nil
}
