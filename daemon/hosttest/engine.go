package hosttest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	dc "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

// apiVersion is that of a current engine.
const apiVersion = "1.47"

// box is a container.
type box struct {
	id, name string
	created  time.Time
	started  time.Time // zero: not yet
	ended    time.Time
	address  netip.Addr
	imageID  string
	request  dc.CreateRequest
}

func (b *box) running() bool { return !b.started.IsZero() && b.ended.IsZero() }

func (b *box) status() dc.ContainerState {
	switch {
	case b.running():
		return dc.StateRunning
	case b.started.IsZero():
		return dc.StateCreated
	}
	return dc.StateExited
}

// addProxy makes the container of a reverse proxy that runs for long.
func (s *Server) addProxy() {
	b := s.add(route.Container, dc.CreateRequest{Config: &dc.Config{Image: program.Image, Labels: map[string]string{route.LabelOurs: program.ImageTag}},
		HostConfig: &dc.HostConfig{NetworkMode: plan.Network}})
	b.started = b.created
}

// add makes a container; the caller holds the lock or is alone.
func (s *Server) add(name string, r dc.CreateRequest) *box {
	s.next++
	id := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, s.next, name)))
	b := &box{id: id, name: name, created: time.Now().Add(-time.Hour), request: r, imageID: s.images[r.Image],
		address: netip.AddrFrom4([4]byte{172, 18, byte(s.next >> 8), byte(s.next)})}
	if b.imageID == "" {
		b.imageID = "sha256:" + strings.Repeat("0", 64)
	}
	s.containers[id] = b
	return b
}

// find returns a container by id or name.
func (s *Server) find(idOrName string) *box {
	if b := s.containers[idOrName]; b != nil {
		return b
	}
	for _, b := range s.containers {
		if b.name == idOrName {
			return b
		}
	}
	return nil
}

// engine answers the calls of the Engine API that a rollout makes.
func (s *Server) engine() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request) (int, any)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /v"+apiVersion+path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			s.calls[method+path[strings.LastIndex(path, "/"):]]++
			status, answer := do(r)
			s.mu.Unlock()
			reply(w, status, answer)
		})
	}
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", apiVersion) })
	handle("GET /info", func(*http.Request) (int, any) {
		return http.StatusOK, map[string]any{"Architecture": "x86_64", "OSType": "linux", "ServerVersion": "27.0.0", "Name": "server"}
	})
	handle("GET /networks", func(*http.Request) (int, any) {
		var all []network.Summary
		for name := range s.networks {
			all = append(all, network.Summary{Network: network.Network{Name: name, ID: name}})
		}
		return http.StatusOK, all
	})
	handle("GET /containers/json", func(*http.Request) (int, any) { return http.StatusOK, s.list() })
	handle("POST /containers/create", s.create)
	handle("GET /containers/{id}/json", s.of(func(b *box, _ *http.Request) (int, any) { return http.StatusOK, b.inspect() }))
	handle("POST /containers/{id}/start", s.of(func(b *box, _ *http.Request) (int, any) {
		b.started, b.ended = time.Now(), time.Time{}
		return http.StatusNoContent, nil
	}))
	handle("POST /containers/{id}/stop", s.of(func(b *box, _ *http.Request) (int, any) {
		b.ended = time.Now()
		return http.StatusNoContent, nil
	}))
	handle("POST /containers/{id}/rename", s.of(func(b *box, r *http.Request) (int, any) {
		b.name = r.URL.Query().Get("name")
		return http.StatusNoContent, nil
	}))
	handle("DELETE /containers/{id}", s.of(func(b *box, _ *http.Request) (int, any) {
		delete(s.containers, b.id)
		return http.StatusNoContent, nil
	}))
	handle("POST /images/create", s.pull)
	mux.HandleFunc("/v"+apiVersion+"/images/", s.image) // references have slashes
	return mux
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Api-Version", apiVersion)
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func problem(status int, text string) (int, any) {
	return status, map[string]string{"message": text}
}

// of finds the container that a call is about.
func (s *Server) of(do func(*box, *http.Request) (int, any)) func(*http.Request) (int, any) {
	return func(r *http.Request) (int, any) {
		b := s.find(r.PathValue("id"))
		if b == nil {
			return problem(http.StatusNotFound, "No such container: "+r.PathValue("id"))
		}
		return do(b, r)
	}
}

func (s *Server) create(r *http.Request) (int, any) {
	var request dc.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return problem(http.StatusBadRequest, err.Error())
	}
	name := r.URL.Query().Get("name")
	if b := s.find(name); b != nil {
		return problem(http.StatusConflict, "Conflict. The container name "+name+" is already in use by container "+b.id)
	}
	if s.images[request.Image] == "" {
		return problem(http.StatusNotFound, "No such image: "+request.Image)
	}
	b := s.add(name, request)
	b.created = time.Now()
	return http.StatusCreated, dc.CreateResponse{ID: b.id, Warnings: []string{}}
}

func (s *Server) list() []dc.Summary {
	all := []dc.Summary{}
	for _, b := range s.containers {
		c := dc.Summary{ID: b.id, Names: []string{"/" + b.name}, Image: b.request.Image, ImageID: b.imageID, Labels: b.request.Labels,
			State: b.status(), Created: b.created.Unix(), NetworkSettings: &dc.NetworkSettingsSummary{Networks: b.networks()}}
		if b.running() {
			c.Status = fmt.Sprintf("Up %d seconds", int(time.Since(b.started).Seconds()))
		}
		all = append(all, c)
	}
	return all
}

// networks is the one that it is in; stopped containers have no address.
func (b *box) networks() map[string]*network.EndpointSettings {
	end := &network.EndpointSettings{NetworkID: plan.Network}
	if c := b.request.NetworkingConfig; c != nil && c.EndpointsConfig[plan.Network] != nil {
		end = c.EndpointsConfig[plan.Network].Copy()
	}
	if b.running() {
		end.IPAddress = b.address
	}
	return map[string]*network.EndpointSettings{plan.Network: end}
}

func (b *box) inspect() dc.InspectResponse {
	state := &dc.State{Status: b.status(), Running: b.running(), StartedAt: moment(b.started), FinishedAt: moment(b.ended)}
	return dc.InspectResponse{ID: b.id, Name: "/" + b.name, Created: moment(b.created), State: state, Image: b.imageID, Config: b.request.Config,
		HostConfig: b.request.HostConfig, NetworkSettings: &dc.NetworkSettings{Networks: b.networks()}}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// pull takes any image, by tag or digest.
func (s *Server) pull(r *http.Request) (int, any) {
	name, tag := r.URL.Query().Get("fromImage"), r.URL.Query().Get("tag")
	ref := name + ":" + tag
	if strings.HasPrefix(tag, "sha256:") {
		ref = name + "@" + tag
	}
	s.images[ref] = "sha256:" + fmt.Sprintf("%x", sha256.Sum256([]byte(ref)))
	return http.StatusOK, map[string]string{"status": "Status: Downloaded newer image for " + ref}
}

// image reads, tags and removes images.
func (s *Server) image(w http.ResponseWriter, r *http.Request) {
	ref := strings.TrimPrefix(r.URL.Path, "/v"+apiVersion+"/images/")
	s.mu.Lock()
	defer s.mu.Unlock()
	what := ""
	for _, last := range []string{"json", "tag"} {
		if rest, ok := strings.CutSuffix(ref, "/"+last); ok {
			ref, what = rest, last
		}
	}
	s.calls[r.Method+"/"+what]++
	id := s.images[ref]
	if id == "" && strings.HasPrefix(ref, "sha256:") {
		id = ref
	}
	switch {
	case id == "":
		status, answer := problem(http.StatusNotFound, "No such image: "+ref)
		reply(w, status, answer)
	case what == "json":
		reply(w, http.StatusOK, s.describe(id))
	case what == "tag":
		s.images[r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag")] = id
		reply(w, http.StatusCreated, nil)
	case r.Method == http.MethodDelete:
		delete(s.images, ref)
		reply(w, http.StatusOK, []any{})
	default:
		status, answer := problem(http.StatusNotFound, "page not found")
		reply(w, status, answer)
	}
}

func (s *Server) describe(id string) map[string]any {
	tags, digests := []string{}, []string{}
	for ref, its := range s.images {
		switch {
		case its != id:
		case strings.Contains(ref, "@"):
			digests = append(digests, ref)
		default:
			tags = append(tags, ref)
		}
	}
	return map[string]any{"Id": id, "RepoTags": tags, "RepoDigests": digests, "Architecture": "amd64", "Os": "linux", "Config": map[string]any{}}
}
