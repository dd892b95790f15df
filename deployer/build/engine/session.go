package engine

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Lends is what a build may ask for while it runs.
type Lends struct {
	// Account returns the account for a registry, as BuildKit names it
	// ("ghcr.io", "registry-1.docker.io"); false: none, ask anonymously.
	Account func(registry string) (user string, password secret.Value, ok bool)
	// Secrets are those of RUN --mount=type=secret, by id.
	Secrets map[string]secret.Value
	// Agents connect to ssh agents, by id ("default"), for --mount=type=ssh.
	Agents map[string]func(ctx context.Context) (net.Conn, error)
}

// session answers what BuildKit asks while it builds. It is a gRPC server
// behind a connection that was dialled towards its client.
type session struct {
	id     string
	lends  Lends
	conn   net.Conn
	server *http.Server
	served chan error
}

// The methods that a session has (buildkit: session/auth, session/secrets,
// session/sshforward; grpc.health.v1).
const (
	methodHealth      = "/grpc.health.v1.Health/Check"
	methodCredentials = "/moby.filesync.v1.Auth/Credentials"
	methodSecret      = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
	methodCheckAgent  = "/moby.sshforward.v1.SSH/CheckAgent"
	methodAgent       = "/moby.sshforward.v1.SSH/ForwardAgent"
)

// openTime bounds the opening of a session.
const openTime = 20 * time.Second

// openSession dials the engine and hands the connection over to BuildKit. path
// is the engine's for sessions.
func openSession(ctx context.Context, dial func(context.Context) (net.Conn, error), path string, lends Lends) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openTime, errors.New("the engine opened no session within 20s"))
	defer cancel()
	random := make([]byte, 12)
	_, _ = rand.Read(random) // never fails since Go 1.24
	s := &session{id: hex.EncodeToString(random), lends: lends, served: make(chan error, 1)}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	upgraded, err := s.upgrade(conn, path)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, errors.Join(err, conn.Close())
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	s.conn = upgraded
	s.server = &http.Server{Handler: s, Protocols: &protocols, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { s.served <- s.server.Serve(&lone{conn: upgraded, done: make(chan struct{})}) }()
	return s, nil
}

// upgrade asks for the session and returns the connection that it goes over.
func (s *session) upgrade(conn net.Conn, path string) (net.Conn, error) {
	r, err := http.NewRequest(http.MethodPost, "http://docker.invalid"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"h2c"}, "User-Agent": {"fairlead"},
		"X-Docker-Expose-Session-Uuid": {s.id}, "X-Docker-Expose-Session-Name": {"fairlead"}, "X-Docker-Expose-Session-Sharedkey": {""},
		"X-Docker-Expose-Session-Grpc-Method": {methodHealth, methodCredentials, methodSecret, methodCheckAgent, methodAgent},
	}
	if err := r.Write(conn); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	reader := bufio.NewReader(conn)
	answer, err := http.ReadResponse(reader, r)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		defer answer.Body.Close()
		return nil, fmt.Errorf("open session: %w", refusal(answer))
	}
	return &read{Conn: conn, from: reader}, nil
}

// close ends the session and waits for its end.
func (s *session) close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	_ = s.conn.Close() // a server that is closed before it came to accept closes nothing
	return err
}

// read is a connection of which something was read already.
type read struct {
	net.Conn
	from *bufio.Reader
}

// Read reads what comes next.
func (r *read) Read(p []byte) (int, error) { return r.from.Read(p) }

// lone is a listener with one connection.
type lone struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
	shut sync.Once
}

// Accept returns the connection, and then waits for the end.
func (l *lone) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

// Close ends it.
func (l *lone) Close() error {
	l.shut.Do(func() { close(l.done) })
	return nil
}

// Addr is that of the connection.
func (l *lone) Addr() net.Addr { return l.conn.LocalAddr() }

// The status codes of gRPC that are used.
const (
	grpcOK            = 0
	grpcNotFound      = 5
	grpcUnimplemented = 12
	grpcInternal      = 13
)

// maxAsk is how many bytes one question has at most.
const maxAsk = 1 << 20

// ServeHTTP answers one call of gRPC (its PROTOCOL-HTTP2).
func (s *session) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	code, err := s.answer(w, r)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(code))
	if err != nil {
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", err.Error())
	}
}

func (s *session) answer(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.URL.Path == methodAgent {
		return s.agent(w, r)
	}
	body, err := readFrame(r.Body)
	if err != nil {
		return grpcInternal, err
	}
	ask, err := fields(body)
	if err != nil {
		return grpcInternal, err
	}
	named := text(ask, 1)
	var reply []byte
	switch r.URL.Path {
	case methodHealth:
		reply = appendNumber(nil, 1, 1) // SERVING
	case methodCredentials:
		if s.lends.Account != nil {
			if user, password, ok := s.lends.Account(named); ok {
				reply = appendBytes(nil, 1, []byte(user))
				reply = appendBytes(reply, 2, []byte(password.Reveal()))
			}
		}
	case methodSecret:
		v, ok := s.lends.Secrets[named]
		if !ok {
			return grpcNotFound, fmt.Errorf("secret %s is not in builder.secrets of deploy.yml", plain(named))
		}
		reply = appendBytes(nil, 1, []byte(v.Reveal()))
	case methodCheckAgent:
		if s.lends.Agents[agentID(named)] == nil {
			return grpcNotFound, fmt.Errorf("ssh agent %s is not in builder.ssh of deploy.yml", agentID(named))
		}
	default:
		return grpcUnimplemented, errors.New("not offered")
	}
	if err := writeFrame(w, reply); err != nil {
		return grpcInternal, err
	}
	return grpcOK, nil
}

func agentID(named string) string {
	if named == "" {
		return "default"
	}
	return plain(named)
}

// agent passes bytes between a step of the build and an ssh agent.
func (s *session) agent(w http.ResponseWriter, r *http.Request) (int, error) {
	id := agentID(r.Header.Get("buildkit.ssh.id"))
	dial := s.lends.Agents[id]
	if dial == nil {
		return grpcNotFound, fmt.Errorf("ssh agent %s is not in builder.ssh of deploy.yml", id)
	}
	conn, err := dial(r.Context())
	if err != nil {
		return grpcInternal, errors.New("the ssh agent does not answer")
	}
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 32<<10)
		for {
			n, err := conn.Read(buffer)
			if n > 0 && writeFrame(w, appendBytes(nil, 1, buffer[:n])) != nil || err != nil {
				return
			}
		}
	})
	defer back.Wait()
	defer conn.Close()
	for {
		body, err := readFrame(r.Body)
		if err != nil {
			return grpcOK, nil // the step has what it wanted
		}
		part, err := fields(body)
		if err != nil {
			return grpcInternal, err
		}
		if _, err := conn.Write([]byte(text(part, 1))); err != nil {
			return grpcInternal, errors.New("the ssh agent went away")
		}
	}
}

// readFrame reads one message with its length before it.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || size > maxAsk {
		return nil, errWire
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}

// writeFrame sends one message at once.
func writeFrame(w http.ResponseWriter, message []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 1, 5+len(message)), uint32(len(message)))
	if _, err := w.Write(append(frame, message...)); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
