// Package start is how a project begins with Fairlead: what its checkout tells
// of it, and the files to begin with.
//
// Lives here: reading the checkout, writing files that are not there yet. May
// not live here: running anything of the project's, any look at a network.
package start

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Project is what a checkout tells.
type Project struct {
	// Service is from the remote's name, else the folder's.
	Service string
	// Server is the registry beside the forge ("ghcr.io"), "" for Docker Hub.
	Server string
	// Image is the repository in it.
	Image string
	// Port is the one that the app listens on, PortFrom what told it: a file, or
	// "" for the default.
	Port     int
	PortFrom string
	// Asset is the folder of assets in the container, "" where none is known.
	Asset string
}

// maxFile bounds what is read of a file.
const maxFile = 256 << 10

var (
	notInService = regexp.MustCompile(`[^a-z0-9_-]+`)
	exposePort   = regexp.MustCompile(`(?im)^\s*EXPOSE\s+(\d{1,5})(?:/tcp)?\b`)
	webPort      = regexp.MustCompile(`(?m)^web:.*(?:-p|--port|-b\s+\S+?:|--bind\s+\S+?:)[= ]?(\d{2,5})\b`)
	scriptPort   = regexp.MustCompile(`(?:PORT=|-p |--port[= ])(\d{2,5})\b`)
	railsGem     = regexp.MustCompile(`(?m)^\s*gem\s+["']rails["']`)
	originURL    = regexp.MustCompile(`(?ms)^\[remote "origin"\]$(.*?)(?:^\[|\z)`)
	urlLine      = regexp.MustCompile(`(?m)^\s*url\s*=\s*(\S+)\s*$`)
	forgeURL     = regexp.MustCompile(`^(?:[a-z+]+://)?(?:[^@/]+@)?([A-Za-z0-9.-]+)(?::\d+)?[:/](.+?)(?:\.git)?/?$`)
)

// Detect reads the checkout at dir. What cannot be read tells nothing.
func Detect(dir string) Project {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Project{Service: "app", Image: "app", Port: 80}
	}
	defer func() { _ = root.Close() }()
	p := Project{Port: 80}
	host, path := remote(root)
	name := filepath.Base(path)
	if path == "" {
		if absolute, err := filepath.Abs(dir); err == nil {
			name = filepath.Base(absolute)
		}
		path = "your-user/" + name
	}
	p.Service = serviceName(name)
	p.Image = imageName(path)
	switch host {
	case "github.com":
		p.Server = "ghcr.io"
	case "gitlab.com":
		p.Server = "registry.gitlab.com"
	}
	p.port(root)
	if railsGem.MatchString(text(root, "Gemfile")) {
		p.Asset = "/rails/public/assets"
	}
	return p
}

// remote is the host and path of Git's remote origin, "" where there is none.
func remote(root *os.Root) (host, path string) {
	section := originURL.FindStringSubmatch(text(root, ".git/config"))
	if section == nil {
		return "", ""
	}
	line := urlLine.FindStringSubmatch(section[1])
	if line == nil || strings.HasPrefix(line[1], "/") || strings.HasPrefix(line[1], ".") || strings.HasPrefix(line[1], "file:") {
		return "", ""
	}
	m := forgeURL.FindStringSubmatch(line[1])
	if m == nil {
		return "", ""
	}
	return strings.ToLower(m[1]), strings.Trim(m[2], "/")
}

// port asks the files in the order of how surely they know.
func (p *Project) port(root *os.Root) {
	take := func(file, digits string) bool {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > 65535 {
			return false
		}
		p.Port, p.PortFrom = n, file
		return true
	}
	if m := exposePort.FindAllStringSubmatch(text(root, "Dockerfile"), -1); len(m) > 0 && take("Dockerfile", m[len(m)-1][1]) {
		return
	}
	if m := webPort.FindStringSubmatch(text(root, "Procfile")); m != nil && take("Procfile", m[1]) {
		return
	}
	if script := startScript(text(root, "package.json")); script != "" {
		if m := scriptPort.FindStringSubmatch(script); m != nil && take("package.json", m[1]) || m == nil && take("package.json", "3000") {
			return
		}
	}
	if railsGem.MatchString(text(root, "Gemfile")) {
		take("Gemfile", "3000")
	}
}

// startScript is what `npm start` runs, "" where there is none.
func startScript(packageJSON string) string {
	var file struct {
		Scripts map[string]string `json:"scripts"`
	}
	if json.Unmarshal([]byte(packageJSON), &file) != nil {
		return ""
	}
	return file.Scripts["start"]
}

func text(root *os.Root, name string) string {
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return ""
	}
	return string(data)
}

// serviceName makes a name that containers can begin with.
func serviceName(name string) string {
	name = strings.Trim(notInService.ReplaceAllString(strings.ToLower(name), "-"), "-_")
	if name == "" {
		return "app"
	}
	return strings.Trim(name[:min(len(name), 63)], "-_")
}

var imagePart = regexp.MustCompile(`[^a-z0-9]+`)

// imageName makes a path that registries take.
func imageName(path string) string {
	var parts []string
	for part := range strings.SplitSeq(strings.ToLower(path), "/") {
		if part = strings.Trim(imagePart.ReplaceAllString(part, "-"), "-"); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "app"
	}
	return strings.Join(parts, "/")
}
