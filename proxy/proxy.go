// Package proxy is the reverse proxy that runs on the servers, in a container called kamal-proxy made
// of nothing but this program. It answers the command line of kamal-proxy 0.9.2 (see that project's
// README and help), so that Kamal and a daemon that knows only Kamal's proxy can steer it, and a
// socket that is faster than an exec.
//
// # Parts
//
//	proxy          the command line, the listeners, the control API's server
//	proxy/control  what is said over the control socket, and a client; documents the API
//	proxy/router   routes, forwarding, draining
//	proxy/health   the health gate
//	proxy/state    the file that routes survive a restart in
//	proxy/certs    certificates by ACME
//
// # Places
//
//	state         $KAMAL_PROXY_STATE, else $HOME/.config/kamal-proxy/fairlead-proxy.json
//	certificates  $HOME/.config/kamal-proxy/fairlead-certs
//	socket        --socket, $KAMAL_PROXY_SOCKET, $XDG_RUNTIME_DIR/kamal-proxy.sock, /tmp/kamal-proxy.sock
//	second socket $HOME/.apps-config/.fairlead/proxy.sock, where .apps-config exists: that folder is
//	              mounted from the server's ssh user, who alone can open the socket (0600, his)
//
// HOME is /home/kamal-proxy where it is not set. What may not live here: anything of Fairlead but
// this; the proxy must work, and be understood, alone.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Version is also the tag of the image. Kamal 2.12 compares that tag, as the version of a Ruby gem,
// with the least it accepts, v0.9.2: v0.9.2.1 is newer, a word or v0.9.2-x would be refused.
const Version = "v0.9.2.1"

// Main runs the command line in args (without the program's name) and returns the exit status: 0 done,
// 1 not. SIGINT and SIGTERM end it.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Execute(ctx, args, stdin, stdout, stderr, env)
}

// Execute is Main that ends with ctx instead of signals.
func Execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	cmd := Command(env)
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "Error:", err) // a closed stderr leaves the exit status
		return 1
	}
	return 0
}

// environment reads settings from environment variables.
type environment func(string) string

// home is where the volumes are mounted.
func (env environment) home() string {
	if home := env("HOME"); home != "" && home != "/" {
		return home
	}
	return "/home/kamal-proxy"
}

func (env environment) configDir() string { return filepath.Join(env.home(), ".config", "kamal-proxy") }

func (env environment) statePath() string {
	if path := env("KAMAL_PROXY_STATE"); path != "" {
		return path
	}
	return filepath.Join(env.configDir(), "fairlead-proxy.json")
}

func (env environment) socketPath() string {
	if path := env("KAMAL_PROXY_SOCKET"); path != "" {
		return path
	}
	dir := env("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/tmp"
	}
	return filepath.Join(dir, "kamal-proxy.sock")
}

// option reads NAME or, first, KAMAL_PROXY_NAME.
func (env environment) option(name string) string {
	if v := env("KAMAL_PROXY_" + name); v != "" {
		return v
	}
	return env(name)
}

// number reads an option; a value that is no number is an error, never the default.
func (env environment) number(name string, otherwise int) (int, error) {
	text := env.option(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("read environment: %s is %q, not a number", name, text)
	}
	return n, nil
}

func (env environment) truth(name string) (bool, error) {
	text := env.option(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		return false, errors.Join(fmt.Errorf("read environment: %s is %q, neither true nor false", name, text))
	}
	return b, nil
}
