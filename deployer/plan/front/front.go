// Package front is the files that a route needs where the proxy sees them:
// certificates and error pages, in folders that are named by what is in them.
//
// Lives here: their names and content. May not live here: when they are put or
// removed (plan), how (rollout). Pure.
package front

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Where the proxy's folder of app files is, on the host and in its container.
const (
	OnHost  = ".kamal/proxy/apps-config"
	InProxy = "/home/kamal-proxy/.apps-config"
)

// File is a file for the host, such as a certificate. Its path holds a hash of
// its content, so that another content is another route.
type File struct {
	Path    string // relative to the ssh user's home
	Content secret.Value
	// Secret files are for Fairlead's proxy alone to read; kamal-proxy, which
	// does not run as root, must be let in as Kamal does (mode 0644).
	Secret bool
	// Mode and Owner are an accessory's, 0 and "" for the usual ones. A Folder has
	// no content.
	Mode   fs.FileMode
	Owner  string // NAME[:GROUP] as the accessory's image knows them, or numbers
	Folder bool
}

// Certificate puts a role's own certificate below the folder that the proxy
// mounts (Kamal 2.12: .kamal/proxy/apps-config/SERVICE[-DEST]/tls). folder is
// that of cert.pem and key.pem as the proxy sees it.
func Certificate(lane, role string, cert, key secret.Value) (files []File, folder string) {
	sum := sha256.Sum256([]byte(cert.Reveal()))
	dir := path.Join(lane, "tls", role+"-"+hex.EncodeToString(sum[:6]))
	return []File{
		{Path: path.Join(OnHost, dir, "cert.pem"), Content: cert},
		{Path: path.Join(OnHost, dir, "key.pem"), Content: key, Secret: true},
	}, path.Join(InProxy, dir)
}

// Pages puts a service's own pages, by their path in the repository, beside the
// certificates (Kamal 2.12: error_pages/VERSION). folder is as the proxy sees
// it, "" where there is no page.
func Pages(lane, role string, pages map[string]string) (files []File, folder string) {
	if len(pages) == 0 {
		return nil, ""
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		_, _ = fmt.Fprintf(h, "%q %q\n", path.Base(name), pages[name])
		files = append(files, File{Path: path.Base(name), Content: secret.New(pages[name])})
	}
	dir := path.Join(lane, "error_pages", role+"-"+hex.EncodeToString(h.Sum(nil)[:6]))
	for i := range files {
		files[i].Path = path.Join(OnHost, dir, files[i].Path)
	}
	return files, path.Join(InProxy, dir)
}
