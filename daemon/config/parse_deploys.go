package config

import (
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// deploy is one deploy file of several in a repository.
type deploy struct {
	file  string
	paths []string
	at    at
}

// deployFiles reads a repository's list of deploy files, each alone or with its
// paths.
func (r *reader) deployFiles(repository string) take {
	return func(n at) {
		if r.deploys == nil {
			r.deploys = map[string][]deploy{}
		}
		for _, item := range r.items(n) {
			d := deploy{at: item}
			if item.Kind == yaml.MappingNode {
				seen := r.fields(item, map[string]take{"file": r.repoPath(&d.file), "paths": r.each(r.repoGlob(&d.paths))})
				r.required(item, seen, "such as services/api/config/deploy.yml", "file")
			} else {
				r.repoPath(&d.file)(item)
			}
			if d.file != "" && !r.probing {
				r.deploys[repository] = append(r.deploys[repository], d)
			}
		}
	}
}

// repoGlob reads a path or glob in the repository.
func (r *reader) repoGlob(to *[]string) take {
	return func(n at) {
		var s string
		if r.repoPath(&s)(n); s == "" {
			return
		}
		if _, err := path.Match(s, ""); err != nil {
			r.problem(n, "* and ? are within a name, ** for any folders", "%q is no glob", shorten(s))
			return
		}
		*to = append(*to, s)
	}
}

// projects puts an entry for each deploy file in the place of a repository
// that has several.
func (r *reader) projects(nodes map[string]at, c *Config) {
	for _, name := range inOrder(nodes) {
		repo, ok := c.Repositories[name]
		if !ok {
			continue
		}
		repo.Watched = name
		c.Repositories[name] = repo
		list := r.deploys[nodes[name].path]
		if len(list) == 0 {
			continue
		}
		delete(c.Repositories, name)
		for _, d := range list {
			one := repo
			one.Paths = d.paths
			one.Folder, one.ConfigFile = project(d.file)
			key := name + ":" + projectName(d.file)
			if other, taken := c.Repositories[key]; taken {
				r.problem(d.at, "call one of the folders or files otherwise", "it would be called %s, as %s is", key, path.Join(other.Folder, other.ConfigFile))
				continue
			}
			c.Repositories[key] = one
		}
	}
}

// project is the folder that a deploy file is of, as Kamal would be called
// there, and the file's path in it.
func project(file string) (folder, rest string) {
	folder, name := path.Split(file)
	folder = path.Clean(folder)
	if path.Base(folder) == "config" {
		folder, name = path.Dir(folder), "config/"+name
	}
	if folder == "." {
		folder = ""
	}
	return folder, name
}

// projectName is what people call it: the folder, and the file where that is
// not called deploy.yml.
func projectName(file string) string {
	folder, rest := project(file)
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(rest), ".yml"), ".yaml")
	name := strings.ReplaceAll(folder, "/", "-")
	switch {
	case name == "":
		return stem
	case stem == "deploy":
		return name
	}
	return name + "-" + stem
}

// Of returns the names of the entries that are of a watched repository, none
// where nothing is called so.
func (c *Config) Of(watched string) []string {
	var names []string
	for name, r := range c.Repositories {
		if r.Watched == watched {
			names = append(names, name)
		}
	}
	return names
}
