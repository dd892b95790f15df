package start

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/setup/schema"
)

// Outcome is what Write did.
type Outcome struct {
	// Written are the files that were made, Kept those that were there.
	Written, Kept []string
	// Exposed tells that Git would take .kamal/secrets: no .gitignore names it.
	Exposed bool
}

type file struct {
	name, text string
	mode       os.FileMode
}

// Write makes the files to begin with in dir. A file that is there stays as it
// is; so does a deploy.yml at the root, which does for config/deploy.yml.
func Write(dir string, p Project) (Outcome, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Outcome{}, fmt.Errorf("write files: %w", err)
	}
	defer func() { _ = root.Close() }()
	var out Outcome
	for _, f := range files(p) {
		if _, err := root.Stat("deploy.yml"); err == nil && f.name == "config/deploy.yml" {
			out.Kept = append(out.Kept, "deploy.yml")
			continue
		}
		switch err := write(root, f); {
		case errors.Is(err, fs.ErrExist):
			out.Kept = append(out.Kept, f.name)
		case err != nil:
			return out, fmt.Errorf("write %s: %w", f.name, err)
		default:
			out.Written = append(out.Written, f.name)
		}
	}
	out.Exposed = !ignored(text(root, ".gitignore"))
	return out, nil
}

func write(root *os.Root, f file) error {
	if err := root.MkdirAll(path.Dir(f.name), 0o755); err != nil {
		return err
	}
	w, err := root.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return err
	}
	_, err = w.WriteString(f.text)
	return errors.Join(err, w.Close())
}

// ignored tells that a .gitignore names the secrets' file or its folder.
func ignored(gitignore string) bool {
	for line := range strings.Lines(gitignore) {
		switch strings.Trim(strings.TrimSpace(line), "/") {
		case ".kamal", ".kamal/secrets", ".kamal/secrets*", ".kamal/*":
			return true
		}
	}
	return false
}

func files(p Project) []file {
	return []file{
		{"config/deploy.yml", deployFile(p), 0o644},
		{".kamal/secrets", secretsFile, 0o600},
		{".kamal/hooks/pre-deploy.sample", preDeploy, 0o755},
		{".kamal/hooks/post-deploy.sample", postDeploy, 0o755},
	}
}

func deployFile(p Project) string {
	var b strings.Builder
	b.WriteString(schema.Line("deploy"))
	fmt.Fprintf(&b, "service: %s\nimage: %s\n\n", p.Service, p.Image)
	b.WriteString("# Your servers, by name or address.\nservers:\n  web:\n    - 192.0.2.1\n  # job:\n  #   hosts: [192.0.2.1]\n  #   cmd: bin/jobs\n\n")
	b.WriteString("proxy:\n  # host: app.example.com\n  # ssl: true\n")
	if p.PortFrom != "" {
		fmt.Fprintf(&b, "  app_port: %d # %s says so\n", p.Port, p.PortFrom)
	} else {
		fmt.Fprintf(&b, "  app_port: %d # where your app listens\n", p.Port)
	}
	b.WriteString("  healthcheck:\n    path: /up # must answer 200 when the app is ready\n\n")
	b.WriteString("registry:\n")
	if p.Server != "" {
		fmt.Fprintf(&b, "  server: %s\n", p.Server)
	}
	b.WriteString("  username: your-user\n  password:\n    - KAMAL_REGISTRY_PASSWORD\n\n")
	b.WriteString("builder:\n  arch: amd64\n\n")
	b.WriteString("# env:\n#   clear:\n#     LOG_LEVEL: info\n#   secret:\n#     - DATABASE_URL\n")
	if p.Asset != "" {
		fmt.Fprintf(&b, "\nasset_path: %s\n", p.Asset)
	}
	return b.String()
}

const (
	secretsFile = `# Names of secrets and where they are: NAME=$VARIABLE, or NAME=$(cat FILE).
# No values here unless Git ignores this file; the daemon's are in fairlead.yml's
# secrets: (fairlead secret set NAME).
KAMAL_REGISTRY_PASSWORD=$KAMAL_REGISTRY_PASSWORD
`
	preDeploy = `#!/bin/sh
# Rename to pre-deploy to run it before a release switches; anything but 0 ends
# the release. KAMAL_VERSION, KAMAL_SERVICE, KAMAL_HOSTS say what is deployed.
echo "deploying $KAMAL_SERVICE $KAMAL_VERSION to $KAMAL_HOSTS"
`
	postDeploy = `#!/bin/sh
# Rename to post-deploy to run it after a release.
echo "$KAMAL_SERVICE $KAMAL_VERSION is live after $KAMAL_RUNTIME seconds"
`
)
