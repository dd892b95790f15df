package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/fairlead-deploy/fairlead/release"
)

// Cordons keeps new releases off hosts. Errors of type *Error reach the asker
// with their status and hint.
type Cordons interface {
	Cordons(ctx context.Context) ([]release.Cordon, error)
	Cordon(ctx context.Context, c release.Cordon) error
	Uncordon(ctx context.Context, host, by string) error
}

// CordonOrder asks to keep new releases off a host, or to lift that.
type CordonOrder struct {
	Host  string `json:"host"` // by its name in deploy.yml
	Lift  bool   `json:"lift,omitempty"`
	Actor string `json:"actor,omitempty"`
	Why   string `json:"why,omitempty"`
}

func (s *Server) cordon(r *http.Request) (struct{}, error) {
	var o CordonOrder
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return struct{}{}, &Error{http.StatusBadRequest, "the order cannot be read: " + plain(err.Error()), "the command line and the daemon may be of different versions"}
	}
	if o.Host == "" {
		return struct{}{}, &Error{http.StatusBadRequest, "no host is named", "name one of deploy.yml's"}
	}
	by := Order{Actor: o.Actor, Why: o.Why}.cleaned()
	var err error
	if o.Lift {
		err = s.o.Cordons.Uncordon(r.Context(), o.Host, by.Actor)
	} else {
		err = s.o.Cordons.Cordon(r.Context(), release.Cordon{Host: o.Host, By: by.Actor, Why: by.Why})
	}
	return struct{}{}, err
}

// cordons are those in force, [] where nobody keeps any.
func (s *Server) cordons(ctx context.Context) ([]release.Cordon, error) {
	if s.o.Cordons == nil {
		return []release.Cordon{}, nil
	}
	list, err := s.o.Cordons.Cordons(ctx)
	return notNil(list), err
}
