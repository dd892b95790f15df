package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// configuration is the fairlead.yml of the story.
func configuration(s *stage) string {
	return `repositories:
  ` + service + `:
    url: ` + s.repo.URL + `
    branch: main
    poll: 1s
    secrets: { file: ` + filepath.Join(s.dir, "secrets") + ` }
` + s.ground.operator() + `notify:
  - webhook: { url: "` + s.inbox.URL + `", secret: { file: ` + filepath.Join(s.dir, "hook-secret") + ` } }
    on: [every, alerts]
data_dir: ` + filepath.Join(s.dir, "data") + `
socket: ` + filepath.Join(s.dir, "fairlead.sock") + `
listen: none
reconcile: 5s
`
}

// buildFairlead makes the program, or takes the one that $FAIRLEAD names.
func (s *stage) buildFairlead(ctx context.Context) (string, error) {
	if program := os.Getenv("FAIRLEAD"); program != "" {
		abs, err := filepath.Abs(program)
		s.daemon.Program = abs
		return "", err
	}
	program, err := actor.Build(ctx, s.dir, "demo")
	s.daemon.Program = program
	return "", err
}

// startDaemon writes fairlead.yml and starts the daemon.
func (s *stage) startDaemon(context.Context) (string, error) {
	s.secrets["the messages' key"] = actor.NewSecret()
	for name, text := range map[string]string{
		"hook-secret": s.secrets["the messages' key"], "secrets": "SECRET_KEY_BASE=" + s.secrets["SECRET_KEY_BASE"] + "\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	var err error
	if s.inbox, err = actor.OpenInbox(s.secrets["the messages' key"]); err != nil {
		return "", err
	}
	s.daemon.Conf = filepath.Join(s.dir, "fairlead.yml")
	s.daemon.Log = filepath.Join(s.dir, "fairlead.log")
	if err := os.WriteFile(s.daemon.Conf, []byte(configuration(s)), 0o600); err != nil {
		return "", err
	}
	return "fairlead watch --config " + s.daemon.Conf, s.daemon.Start()
}

// restartDaemon starts it again after a kill.
func (s *stage) restartDaemon(context.Context) (string, error) { return "", s.daemon.Start() }
