package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// held is a target whose requests say when they arrive and wait to be let go.
type held struct {
	address string
	arrived chan *http.Request
	let     chan struct{}
}

func newHeld(t *testing.T) held {
	h := held{arrived: make(chan *http.Request, 10), let: make(chan struct{})}
	h.address, _ = target(t, func(w http.ResponseWriter, r *http.Request) {
		h.arrived <- r
		select {
		case <-h.let:
			_, _ = io.WriteString(w, "finished")
		case <-r.Context().Done():
		}
	})
	return h
}

func (r *rig) later(host, path string) chan reply {
	answer := make(chan reply, 1)
	go func() { answer <- r.get(host, path) }()
	return answer
}

// await waits until the first service is served by target.
func (r *rig) await(target string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	for r.List()[0].Targets[0] != target {
		select {
		case <-ctx.Done():
			r.t.Fatal("the switch did not come")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestADeployWaitsForTheRequestsAtTheOldTarget(t *testing.T) {
	r := newRig(t)
	old := newHeld(t)
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old.address})
	answer := r.later("any", "/slow")
	<-old.arrived
	done := make(chan control.DeployResult, 1)
	go func() { done <- r.must("shop", []string{fresh}, drainFor(time.Minute)) }()
	r.await(fresh)
	if got := r.get("any", "/").body; got != "new" { // the switch does not wait for the drain
		t.Errorf("after the switch: %q", got)
	}
	select {
	case result := <-done:
		t.Fatalf("returned with a request in flight: %+v", result)
	default:
	}
	close(old.let)
	if a := <-answer; a.status != 200 || a.body != "finished" {
		t.Errorf("the request in flight: %+v", a)
	}
	if result := <-done; result.Drained != 1 || result.Cut != 0 {
		t.Errorf("got %+v", result)
	}
}

func TestWhatOutlastsTheDrainIsCut(t *testing.T) {
	r := newRig(t)
	old := newHeld(t)
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old.address})
	answer := r.later("any", "/slow")
	seen := <-old.arrived
	if result := r.must("shop", []string{fresh}, drainFor(50*time.Millisecond)); result.Cut != 1 || result.Drained != 0 {
		t.Errorf("got %+v", result)
	}
	if a := <-answer; a.status != http.StatusGatewayTimeout {
		t.Errorf("the client got %+v", a)
	}
	<-seen.Context().Done() // the target notices too
}

func TestAnUploadThatStallsDoesNotHoldUpTheDrain(t *testing.T) {
	r := newRig(t)
	arrived := make(chan struct{}, 1)
	old, _ := target(t, func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, req.Body)
	})
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old})
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST /upload HTTP/1.1\r\nHost: any\r\nContent-Length: 1000\r\n\r\nhalf")
	<-arrived
	start := time.Now()
	if result := r.must("shop", []string{fresh}, drainFor(50*time.Millisecond)); result.Cut != 1 {
		t.Errorf("got %+v", result)
	}
	if took := time.Since(start); took > cutGrace {
		t.Errorf("took %s", took)
	}
}

func TestRemoveCutsAtOnce(t *testing.T) {
	r := newRig(t)
	old := newHeld(t)
	r.must("shop", []string{old.address})
	answer := r.later("any", "/slow")
	<-old.arrived
	if err := r.Remove(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if a := <-answer; a.status != http.StatusGatewayTimeout {
		t.Errorf("got %+v", a)
	}
}

// echo answers an upgrade and then each line with itself.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = io.WriteString(w, "plain")
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(conn, rw)
}

type socket struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) upgrade(host string) socket {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	s := socket{r.t, conn, bufio.NewReader(conn)}
	_, _ = fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", host)
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		r.t.Fatalf("upgrade: %v %v", resp, err)
	}
	return s
}

func (s socket) echoes(text string) error {
	if _, err := io.WriteString(s.conn, text+"\n"); err != nil {
		return err
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := s.in.ReadString('\n')
	if err == nil && line != text+"\n" {
		err = fmt.Errorf("got %q", line)
	}
	return err
}

func TestWebsocketsHaveTheDrainTimeAndThoseOfOthersNoticeNothing(t *testing.T) {
	r := newRig(t)
	old, _ := target(t, echo)
	fresh, _ := target(t, echo)
	r.must("shop", []string{old}, hosts("shop.example.com"))
	r.must("chat", []string{old}, hosts("chat.example.com"))
	shop, chat := r.upgrade("shop.example.com"), r.upgrade("chat.example.com")
	done := make(chan control.DeployResult, 1)
	go func() {
		done <- r.must("shop", []string{fresh}, hosts("shop.example.com"), drainFor(300*time.Millisecond))
	}()
	for r.List()[1].Targets[0] != fresh { // switched, and draining
		if err := shop.echoes("still here"); err != nil {
			t.Fatalf("before the switch: %v", err)
		}
	}
	if err := shop.echoes("in the drain time"); err != nil {
		t.Errorf("in the drain time: %v", err)
	}
	if result := <-done; result.Cut != 1 {
		t.Errorf("got %+v", result)
	}
	if err := shop.echoes("after"); err == nil {
		t.Error("the websocket of the drained service was not cut")
	}
	if err := chat.echoes("other"); err != nil {
		t.Errorf("the websocket of another service: %v", err)
	}
	if err := r.upgrade("shop.example.com").echoes("again"); err != nil {
		t.Errorf("a new websocket: %v", err)
	}
}

func TestAPausedServiceHoldsItsRequestsUntilItIsResumed(t *testing.T) {
	r := newRig(t)
	one, _ := target(t, says("one"))
	two, _ := target(t, says("two"))
	r.must("shop", []string{one})
	if err := r.Pause(t.Context(), control.PauseRequest{Service: "shop", MaxPause: control.Seconds(30)}); err != nil {
		t.Fatal(err)
	}
	answer := r.later("any", "/")
	r.must("shop", []string{two})
	if state := r.List()[0].State; state != control.Paused {
		t.Errorf("a deploy ended the pause: %s", state)
	}
	select {
	case a := <-answer:
		t.Fatalf("answered while paused: %+v", a)
	default:
	}
	if err := r.Resume(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if a := <-answer; a.body != "two" {
		t.Errorf("got %+v", a)
	}
}

func TestARequestHeldTooLongIsTurnedAway(t *testing.T) {
	r := newRig(t)
	one, _ := target(t, says("one"))
	r.must("shop", []string{one})
	if err := r.Pause(t.Context(), control.PauseRequest{Service: "shop", MaxPause: control.Duration{Duration: 20 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	if a := r.get("any", "/"); a.status != http.StatusGatewayTimeout {
		t.Errorf("got %+v", a)
	}
	if a := r.get("any", "/up"); a.status != http.StatusOK {
		t.Errorf("health while paused: %+v", a)
	}
}

func TestAPauseDrainsAndTheServiceCanBeResumed(t *testing.T) {
	r := newRig(t)
	old := newHeld(t)
	r.must("shop", []string{old.address})
	answer := r.later("any", "/slow")
	<-old.arrived
	done := make(chan error, 1)
	go func() {
		done <- r.Pause(t.Context(), control.PauseRequest{Service: "shop", DrainTimeout: control.Seconds(30), MaxPause: control.Seconds(30)})
	}()
	close(old.let)
	if a, err := <-answer, <-done; a.body != "finished" || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := r.Resume(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if a := r.get("any", "/"); a.body != "finished" {
		t.Errorf("got %+v", a)
	}
}

func TestADrainEndsWithItsLastFlightAndCutsAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		_, endShort := f.begin(t.Context())
		long, endLong := f.begin(t.Context())
		go func() { time.Sleep(3 * time.Second); endShort() }()
		go func() { <-long.Done(); time.Sleep(time.Second); endLong() }()
		start := time.Now()
		drained, cut := f.drain(t.Context(), 10*time.Second)
		if drained != 1 || cut != 1 || time.Since(start) != 11*time.Second || context.Cause(long) != errCut {
			t.Errorf("drained %d, cut %d, after %s, because %v", drained, cut, time.Since(start), context.Cause(long))
		}
		_, end := f.begin(t.Context())
		go func() { time.Sleep(2 * time.Second); end() }()
		start = time.Now()
		if drained, cut := f.drain(t.Context(), time.Hour); drained != 1 || cut != 0 || time.Since(start) != 2*time.Second {
			t.Errorf("drained %d, cut %d, after %s", drained, cut, time.Since(start))
		}
	})
}
