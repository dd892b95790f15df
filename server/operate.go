package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Operator carries out what people ask of services that run.
type Operator interface {
	// Operate returns when it is done, or when ctx ends: the asker has gone.
	// Errors of type *Error and *operation.Refusal reach the asker with their
	// hint.
	Operate(ctx context.Context, ask operation.Ask, who operation.Caller) error
}

// maxOperations is how many of them go on at once.
const maxOperations = 32

// errLeft is the cause when the asker has gone.
var errLeft = errors.New("who asked has gone")

// operate answers POST /v1/operate. The request's body is the ask; then the
// connection carries JSON values both ways, operation.Told from here and
// operation.Typed from the asker, until the Told that has an End, or until one
// side closes it, which ends what is under way.
func (s *Server) operate(w http.ResponseWriter, r *http.Request) {
	select {
	case s.operations <- struct{}{}:
		defer func() { <-s.operations }()
	default:
		s.refuse(w, &Error{http.StatusServiceUnavailable, "too many operations go on", "end one, or try again"})
		return
	}
	var ask operation.Ask
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ask); err != nil {
		s.refuse(w, &Error{http.StatusBadRequest, "what is asked cannot be read: " + plain(err.Error()), "the command line and the daemon may be of different versions"})
		return
	}
	if why := ask.Check(); why != "" {
		s.refuse(w, &Error{http.StatusBadRequest, plain(why), "the command line and the daemon may be of different versions"})
		return
	}
	if r.Header.Get("Upgrade") != operation.Protocol {
		s.refuse(w, &Error{http.StatusUpgradeRequired, "this needs a connection of its own", "the command line and the daemon may be of different versions"})
		return
	}
	ask.Actor = Order{Actor: ask.Actor}.cleaned().Actor
	s.attended.Add(1) // before it is taken over: until then Shutdown waits for it
	defer s.attended.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.refuse(w, &Error{http.StatusInternalServerError, "the connection cannot be taken over", "see the daemon's log"})
		return
	}
	// The server's deadlines are for short answers. Run ends what goes on here.
	_ = conn.SetDeadline(time.Time{})
	defer conn.Close()
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + operation.Protocol + "\r\n\r\n"
	if _, err := io.WriteString(conn, answer); err != nil {
		return
	}
	s.converse(r.Context(), conn, rw.Reader, ask)
}

// converse carries out an ask over a connection of its own.
func (s *Server) converse(ctx context.Context, conn net.Conn, from *bufio.Reader, ask operation.Ask) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) }) // wakes who reads and writes
	defer stop()
	var mu sync.Mutex
	enc := json.NewEncoder(conn)
	enc.SetEscapeHTML(false)
	tell := func(t operation.Told) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(t)
	}
	in, typed := io.Pipe()
	sizes := make(chan operation.Size, 1)
	var listening sync.WaitGroup
	listening.Go(func() { cancel(listen(from, typed, sizes)) })
	listening.Go(func() { alive(ctx, cancel, tell) })
	who := operation.Caller{Tell: tell, In: in, Resize: sizes}
	err := s.o.Operator.Operate(ctx, ask, who)
	_ = in.Close()
	end := operation.End{}
	if err != nil {
		end = s.ending(ask, err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = tell(operation.Told{End: &end}) // the asker may have gone
	cancel(nil)
	listening.Wait()
}

// alive tells something now and then: that the asker has gone shows in a write
// where what it typed is not read.
func alive(ctx context.Context, cancel context.CancelCauseFunc, tell func(operation.Told) error) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if tell(operation.Told{Alive: true}) != nil {
			cancel(errLeft)
			return
		}
	}
}

// aliveEvery is how often an asker hears something.
const aliveEvery = 5 * time.Second

// listen passes on what comes from the asker, until there is no more: then it
// has gone.
func listen(from *bufio.Reader, typed *io.PipeWriter, sizes chan operation.Size) error {
	defer typed.Close()
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4<<10), operation.MaxFrame)
	for lines.Scan() {
		var t operation.Typed
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return errLeft // of another version, or broken
		}
		if t.Size != nil {
			select { // only the newest counts
			case <-sizes:
			default:
			}
			sizes <- *t.Size
		}
		if len(t.In) > 0 {
			_, _ = typed.Write(t.In) // a command may end before it has read it all
		}
		if t.EOF {
			_ = typed.Close()
		}
	}
	return errLeft
}

// ending says how an ask failed.
func (s *Server) ending(ask operation.Ask, err error) operation.End {
	if e, ok := errors.AsType[*operation.Refusal](err); ok {
		return operation.End{Error: e.Message, Hint: e.Hint}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return operation.End{Error: e.Message, Hint: e.Hint}
	}
	s.o.Log.Info("operation failed", "verb", string(ask.Verb), "repo", ask.Repo, "by", ask.Actor, "err", err)
	return operation.End{Error: err.Error()}
}
