// Package spec turns a repository's deploy.yml into a Deploy: everything that
// the file says, typed, with defaults applied and every mistake located.
//
// Lives here: the resolved types, the reading of each section, defaults and
// the rules that span sections. The tree, its positions and YAML itself are in
// spec/schema, templates in spec/erb, older and other ways of writing the file
// in spec/dialect.
//
// May not live here: any look at a host, a clock, the process's environment or
// the disk. The file arrives as an fs.FS, look-ups are injected, and the same
// input always gives the same Deploy.
package spec
