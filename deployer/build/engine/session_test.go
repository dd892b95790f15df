package engine

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
)

func TestASessionThatEndsBeforeItWasServedLeavesNoConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	s := &session{conn: ours, server: &http.Server{}, served: make(chan error, 1)}
	if err := s.server.Close(); err != nil { // as close does, before the goroutine that serves has run
		t.Fatal(err)
	}
	s.served <- s.server.Serve(&lone{conn: ours, done: make(chan struct{})})
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the engine's end reads %v", err)
	}
}
