// Command traefik is a stand-in for Traefik where tests cannot have it. It does
// what Traefik's documentation says of the piece that Fairlead uses, and refuses
// what it does not know, as Traefik refuses what nobody knows:
//
//   - arguments --NAME=VALUE: entrypoints with address and redirection, the
//     providers file (a watched folder) and docker (labels, through the socket)
//   - files that are templates, then YAML; one that is wrong is told, and the
//     configuration before stays
//   - routers (rules of Host, HostRegexp and PathPrefix with !, &&, || and
//     parentheses; priorities, entrypoints, TLS), load balancers, and the middlewares
//     headers, redirectScheme, stripPrefix, replacePath and buffering
//
// It knows no ACME (such a router gets the certificate that every Traefik makes
// up), asks no server for its health, and looks at the folder 20 times a
// second in place of being told by the kernel.
//
// Lives here: that. May not live here: anything of Fairlead's.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "traefik:", err)
		os.Exit(1)
	}
}

// static is what the arguments say.
type static struct {
	entrypoints map[string]*entrypoint
	folder      string
	docker      bool
	network     string
	v2          bool
}

type entrypoint struct {
	address    string
	redirectTo string // of another entrypoint
	scheme     string
}

var (
	entrypointArg = regexp.MustCompile(`^entrypoints\.([a-z0-9]+)\.(.+)$`)
	// quiet are the arguments that change nothing here.
	quiet = regexp.MustCompile(`^(log\.level|accesslog|providers\.providersthrottleduration|providers\.file\.watch|providers\.docker\.exposedbydefault|certificatesresolvers\.[a-z0-9]+\.acme\.(email|storage|caserver|tlschallenge|httpchallenge|httpchallenge\.entrypoint))$`)
)

func parse(args []string) (static, error) {
	s := static{entrypoints: map[string]*entrypoint{}}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		name = strings.ToLower(name)
		switch m := entrypointArg.FindStringSubmatch(name); {
		case m != nil:
			e := s.entrypoints[m[1]]
			if e == nil {
				e = &entrypoint{}
				s.entrypoints[m[1]] = e
			}
			switch m[2] {
			case "address":
				e.address = value
			case "http.redirections.entrypoint.to":
				e.redirectTo = strings.ToLower(value)
			case "http.redirections.entrypoint.scheme":
				e.scheme = value
			case "http.redirections.entrypoint.permanent", "forwardedheaders.insecure", "forwardedheaders.trustedips":
			default:
				return s, fmt.Errorf("failed to decode configuration from flags: field not found, node: %s", m[2])
			}
		case name == "providers.file.directory":
			s.folder = value
		case name == "providers.docker":
			s.docker = value == "true"
		case name == "providers.docker.network":
			s.docker, s.network = true, value
		case name == "core.defaultrulesyntax":
			s.v2 = value == "v2"
		case !quiet.MatchString(name):
			return s, fmt.Errorf("failed to decode configuration from flags: field not found, node: %s", name)
		}
	}
	return s, nil
}

// front is a Traefik that runs.
type front struct {
	static
	table atomic.Pointer[table]
	turn  atomic.Uint64
}

func run(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	f := &front{static: s}
	f.table.Store(&table{})
	failed := make(chan error, len(s.entrypoints)+1)
	var servers []*http.Server
	for name, e := range s.entrypoints {
		l, err := net.Listen("tcp", e.address)
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: f.at(name), ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, srv)
		go func() { failed <- srv.Serve(f.sniff(l)) }()
	}
	fmt.Println("a stand-in for Traefik", strings.Join(args, " "))
	go f.follow(ctx)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second) // Traefik's lifeCycle.graceTimeOut
	defer cancel()
	var errs []error
	for _, srv := range servers {
		errs = append(errs, srv.Shutdown(ending))
	}
	return errors.Join(errs...)
}

// follow reads what the providers say until ctx ends.
func (f *front) follow(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	files, labels := &folder{path: f.folder}, &engine{network: f.network}
	told := ""
	for {
		changed, err := files.look()
		if f.docker {
			other, dockerErr := labels.look(ctx)
			changed, err = changed || other, errors.Join(err, dockerErr)
		}
		if err != nil && err.Error() != told {
			fmt.Println("ERR", err)
		}
		told = fmt.Sprint(err)
		if changed {
			t, err := build(map[string]dynamic{"file": files.said, "docker": labels.said}, f.v2)
			if err != nil {
				fmt.Println("ERR", err)
			}
			f.table.Store(t)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
