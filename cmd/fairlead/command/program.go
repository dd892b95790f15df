package command

import (
	"crypto/rand"
	"io"
	"log/slog"
	mathrand "math/rand/v2"

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
