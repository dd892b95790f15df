package actor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Left names the secrets that a daemon leaves behind: in its data folder with
// the database, in its log, and in the messages that the inbox (nil: none) got.
// Each is told as "KEY in hex: WHERE".
func Left(data, log string, inbox *Inbox, secrets map[string]string) (found []string, err error) {
	look := func(where string, text []byte) {
		for _, leak := range Leaks(text, secrets) {
			found = append(found, leak+": "+where)
		}
	}
	for _, root := range []string{data, log} {
		werr := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.Type().IsRegular() {
				return nil
			}
			var text []byte
			if err == nil {
				text, err = os.ReadFile(path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // no daemon was started, or the file went meanwhile: on to the others
			}
			look(path, text)
			return err
		})
		if werr != nil {
			err = errors.Join(err, fmt.Errorf("look for secrets: %w", werr))
		}
	}
	if inbox != nil {
		look("the messages", inbox.Whole())
	}
	return found, err
}

// Server is one to look at: a fleet.Host.
type Server interface {
	// Exec runs a program on it, not over SSH, and returns what it printed.
	Exec(ctx context.Context, argv ...string) (string, error)
}

// Kept names the secrets that somebody finds on a server: in the commands that
// came by SSH, in the arguments of processes, in the files of Kamal and
// Fairlead, and in what docker lists of containers. The variables of containers
// are where secrets belong, and so are the env files that Kamal has, and the
// keys of certificates for the proxy.
func Kept(ctx context.Context, name string, server Server, secrets map[string]string) (found []string, err error) {
	for where, argv := range map[string][]string{
		"the commands on ":  {"cat", "/var/log/sshd.log"},
		"the processes of ": {"sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; true"},
		"the files of ":     {"sh", "-c", "find /root/.kamal /root/.fairlead \\( -path '/root/.kamal/apps/*/env' -o -path '/root/.kamal/proxy/apps-config/*/tls' \\) -prune -o -type f -exec cat {} + 2>/dev/null; true"},
		"the containers of ": {"docker", "ps", "--all", "--no-trunc", "--format",
			"{{.Names}} {{.Image}} {{.Command}} {{.Labels}} {{.Mounts}} {{.Networks}}"},
	} {
		text, oerr := server.Exec(ctx, argv...)
		if oerr != nil {
			err = errors.Join(err, fmt.Errorf("look for secrets: %w", oerr))
		}
		for _, leak := range Leaks([]byte(text), secrets) {
			found = append(found, leak+": "+where+name)
		}
	}
	return found, err
}
