// Package assets keeps the files of two versions of a service side by side: a
// page of the one version asks for its stylesheets while the other has the
// traffic already, and finds them.
//
//	.kamal/apps/SERVICE[-DEST]/assets/extracted/ROLE-VERSION  what that image has at asset_path
//	.kamal/apps/SERVICE[-DEST]/assets/volumes/ROLE-VERSION    that and the neighbour's; mounted over asset_path
//
// The folders, their names and what is in them are Kamal's (Kamal 2.12,
// lib/kamal/commands/app/assets.rb): nothing that is in a volume is overwritten
// by another version's file. Unlike there, a file in a volume is a hard link to
// the extracted one, and a folder lives as long as a container of its version.
//
// Lives here: those names, what goes where, and the tar stream that brings it
// there. Pure: bytes in, bytes out. May not live here: hosts, engines.
package assets

import (
	"path"
	"slices"
	"strings"
)

// Place is where a role's assets are on one host.
type Place struct {
	// Home is the ssh user's home folder, Root the lane's folder of assets below
	// it: ".kamal/apps/SERVICE[-DEST]/assets".
	Home, Root string
	Role       string
	// Path is asset_path: PATH[:OPTIONS], absolute in the image. "" where the
	// role has no assets.
	Path string
}

// In returns the place of a lane's role; lane is SERVICE[-DEST].
func In(home, lane, role, assetPath string) Place {
	return Place{Home: home, Root: path.Join(".kamal/apps", lane, "assets"), Role: role, Path: assetPath}
}

// Inside is the folder of the assets in the image, without options.
func (p Place) Inside() string {
	inside, _, _ := strings.Cut(p.Path, ":")
	return path.Clean(inside)
}

// Extracted is the folder with what a version's image has, relative to the home.
func (p Place) Extracted(version string) string { return path.Join(p.Root, extracted, p.name(version)) }

// Volume is the folder that a version's containers have over asset_path,
// relative to the home.
func (p Place) Volume(version string) string { return path.Join(p.Root, volumes, p.name(version)) }

// Mount is the volume of a version as `docker run -v` takes it.
func (p Place) Mount(version string) string {
	_, options, has := strings.Cut(p.Path, ":")
	mount := path.Join(p.Home, p.Volume(version)) + ":" + p.Inside()
	if has {
		mount += ":" + options
	}
	return mount
}

func (p Place) name(version string) string { return p.Role + "-" + version }

const (
	extracted = "extracted"
	volumes   = "volumes"
)

// Folders are the two that hold one folder per role and version, relative to
// the home.
func (p Place) Folders() []string {
	return []string{path.Join(p.Root, extracted), path.Join(p.Root, volumes)}
}

// Unused tells whether a folder of that name in one of Folders belongs to one
// of the roles and to no version that is kept: keep has the names, ROLE-VERSION,
// of those that are.
func Unused(name string, roles, keep []string) bool {
	if slices.Contains(keep, name) {
		return false
	}
	return slices.ContainsFunc(roles, func(role string) bool { return strings.HasPrefix(name, role+"-") })
}
