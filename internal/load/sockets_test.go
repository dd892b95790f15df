package load_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
)

// sockets are websockets that say a word twice a second and want it back.
type sockets struct {
	begin    time.Time
	stop     chan struct{}
	done     sync.WaitGroup
	mu       sync.Mutex
	messages int
	cut      []error
}

const socketsPerHost = 4

// openSockets opens some to each host of a service.
func openSockets(t *testing.T, s *stage.Service) *sockets {
	t.Helper()
	all := &sockets{begin: time.Now(), stop: make(chan struct{})}
	for _, h := range s.Hosts {
		for range socketsPerHost {
			config, err := websocket.NewConfig("ws://"+s.Host()+"/ws", "http://"+s.Host()+"/")
			s.Do(err)
			conn, err := net.DialTimeout("tcp", h.Addr+":80", requestTimeout)
			s.Do(err)
			ws, err := websocket.NewClient(config, conn)
			s.Do(err)
			all.done.Go(func() { all.note(all.talk(ws, h.Name)) })
		}
	}
	t.Cleanup(all.end)
	return all
}

func (s *sockets) talk(ws *websocket.Conn, host string) error {
	defer ws.Close()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return nil
		case <-tick.C:
		}
		word, got := fmt.Sprintf("word %d", n), ""
		_ = ws.SetDeadline(time.Now().Add(requestTimeout))
		err := websocket.Message.Send(ws, word)
		if err == nil {
			err = websocket.Message.Receive(ws, &got)
		}
		if err != nil || got != word {
			return fmt.Errorf("%s  websocket to %s: word %d was answered %q: %w", clock(time.Now()), host, n, got, err)
		}
		s.mu.Lock()
		s.messages++
		s.mu.Unlock()
	}
}

func (s *sockets) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.cut = append(s.cut, err)
		fmt.Println(err)
	}
}

func (s *sockets) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.done.Wait()
}

// close ends the talk, fails the test when one was cut, and says how it went.
func (s *sockets) close(t *testing.T) string {
	t.Helper()
	s.end()
	for _, err := range s.cut {
		t.Error(err)
	}
	return fmt.Sprintf("%d of %d websockets of another service were cut in %.0f s, %d messages came back",
		len(s.cut), 2*socketsPerHost, time.Since(s.begin).Seconds(), s.messages)
}
