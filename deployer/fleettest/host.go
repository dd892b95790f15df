package fleettest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest/disk"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
)

// Host is one server.
type Host struct {
	Name string
	// Skew is how far its clock is ahead of ours. It is set before anything runs.
	Skew time.Duration

	w          *World
	down       bool
	unknown    bool            // nobody has trusted its key
	closing    bool            // its engine stops: see SetEngineStopping
	lags       bool            // the engine's list is behind, see lagging
	containers map[string]*box // by id
	images     map[string]string
	networks   map[string]bool
	routes     map[string]routed
	files      disk.Disk
	made       int
}

// box is a container.
type box struct {
	id, name string
	spec     container.Spec
	digest   string
	created  time.Time
	started  time.Time
	up       bool
	status   container.Status // while not up
	exit     int
	ended    time.Time // when somebody stopped it
	broken   string    // why it cannot be started
	facts    container.ImageFacts
	recorded *container.Observed // as a real engine showed it
}

type routed struct {
	id    string   // of the target
	more  []string // ids of further ones
	route plan.Route
	split *split // nil: none
}

// leads tells whether a container is one of the targets.
func (r routed) leads(id string) bool { return r.id == id || slices.Contains(r.more, id) }

func newHost(w *World, name string) *Host {
	return &Host{
		Name: name, w: w, containers: map[string]*box{}, images: map[string]string{}, networks: map[string]bool{},
		routes: map[string]routed{}, files: disk.New(),
	}
}

// SetDown unplugs the host from the network, or plugs it in again. What runs
// on it runs on.
func (h *Host) SetDown(down bool) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.down = down
}

// SetTrusted makes the host's key known, or not.
func (h *Host) SetTrusted(known bool) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.unknown = !known
}

// SetEngineStopping lets the host's engine stop as a real one does: it has
// ended every container and takes no new connection, while those that it has
// are answered to the last. With false it is back, and so are its containers.
func (h *Host) SetEngineStopping(stopping bool) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.closing = stopping
	for _, b := range h.containers {
		if !stopping && b.up {
			b.started = time.Now()
		}
	}
}

// app returns the behaviour of a container's program.
func (h *Host) app(b *box) App {
	return h.w.apps[b.digest].On(h.Name, b.spec.Env["KEY"].Reveal())
}

// clock is a moment as the host tells it.
func (h *Host) clock(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(h.Skew)
}

// state computes what the engine shows of a container now.
func (h *Host) state(b *box) container.State {
	s := container.State{Status: b.status, ExitCode: b.exit, StartedAt: h.clock(b.started), Health: container.NoHealth}
	if how, is := h.hook(b); is && !b.started.IsZero() {
		return h.hookState(b, how, s)
	}
	if !b.up {
		return s
	}
	if h.closing {
		s.Status = container.Exited
		return s
	}
	s.Status = container.Running
	app := h.app(b)
	if app.CrashAfter == 0 {
		return s
	}
	age := time.Since(b.started)
	n := int(age / app.CrashAfter)
	if n == 0 {
		return s
	}
	s.ExitCode, s.OOMKilled = app.ExitCode, app.OOM && !app.LateOOM
	if b.spec.Restart.Policy == "" || b.spec.Restart.Policy == "no" {
		s.Status = container.Exited
		return s
	}
	s.RestartCount = n
	if age-time.Duration(n)*app.CrashAfter < min(time.Second, app.CrashAfter/2) {
		s.Status = container.Restarting
		return s
	}
	s.StartedAt = h.clock(b.started).Add(time.Duration(n) * app.CrashAfter)
	s.ExitCode, s.OOMKilled = 0, false // as a real engine: once it runs again inspect has forgotten
	return s
}

// answers returns what the program says to its health check, 0 for nothing.
func (h *Host) answers(b *box) int {
	if h.state(b).Status != container.Running {
		return 0
	}
	app := h.app(b)
	up := time.Since(b.started)
	if app.CrashAfter > 0 {
		up %= app.CrashAfter
	}
	if up < app.Boot {
		return 0
	}
	if app.Status != 0 {
		return app.Status
	}
	return 200
}

func (h *Host) healthy(b *box) bool { return h.answers(b) == 200 }

// find returns a container by id, name, or the beginning of an id.
func (h *Host) find(idOrName string) *box {
	if b := h.containers[idOrName]; b != nil {
		return b
	}
	for _, b := range h.containers {
		if b.name == idOrName || len(idOrName) >= 12 && strings.HasPrefix(b.id, idOrName) {
			return b
		}
	}
	return nil
}

func (h *Host) observe(b *box) container.Observed {
	o := container.Observed{ID: b.id, Name: b.name, Spec: b.spec, State: h.state(b), Created: b.created.Add(h.Skew), Image: b.facts}
	if b.recorded != nil {
		o = *b.recorded
		o.State = h.state(b)
	}
	if b.recorded == nil {
		o.Spec.ImageDigest, o.Spec.ImageID = b.digest, b.facts.ID
	}
	address := ""
	if o.State.IsUp() {
		address = "10.0.0.64"
	}
	o.Addresses = map[string]string{b.spec.Network: address}
	return o
}

// listLag is how far an engine's list of containers may be behind what became
// of them: it is told of an end only after the one who asked for it was.
const listLag = 2 * time.Second

// lagging shows a container that ended just now as a list that is behind does.
func (h *Host) lagging(b *box, o container.Observed) container.Observed {
	if h.lags && !b.up && !b.ended.IsZero() && time.Since(b.ended) < listLag {
		o.State = container.State{Status: container.Running, StartedAt: h.clock(b.started), Health: container.NoHealth}
	}
	return o
}

// imageID is the engine's name of an image.
func (w *World) imageID(digest string) string {
	id, ok := w.ids[digest]
	if !ok {
		id = "sha256:" + sum("image", digest)
		w.ids[digest] = id
	}
	return id
}

// add puts a container on the host, as its engine does.
func (h *Host) add(name string, s container.Spec, digest string) *box {
	h.made++
	b := &box{
		id: sum(h.Name, strconv.Itoa(h.made)), name: name, spec: s, digest: digest,
		created: time.Now(), status: container.Created,
	}
	repository, _, _ := strings.Cut(s.Image, ":")
	b.facts = container.ImageFacts{ID: h.w.imageID(digest), RepoTags: []string{s.Image}, RepoDigests: []string{repository + "@" + digest}}
	h.containers[b.id] = b
	return b
}

// Serving returns the version that the route of a service leads to, "" when
// none does.
func (h *Host) Serving(service string) string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.ServingNow(service)
}

// ServingNow is Serving for who is called by the Memory, under the world's lock.
func (h *Host) ServingNow(service string) string {
	r, ok := h.routes[service]
	if !ok {
		return ""
	}
	served := ""
	for _, id := range append([]string{r.id}, r.more...) {
		b := h.containers[id]
		if b == nil || !h.healthy(b) || served != "" && version(b) != served {
			return "down"
		}
		served = version(b)
	}
	return served
}

// Targets returns the names of the containers that the route of a service leads
// to.
func (h *Host) Targets(service string) (names []string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	r := h.routes[service]
	for _, id := range append([]string{r.id}, r.more...) {
		if b := h.containers[id]; b != nil {
			names = append(names, b.name)
		}
	}
	return names
}

// Running returns the versions of the running containers of a role, sorted.
func (h *Host) Running(role string) []string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	var list []string
	for _, b := range h.containers {
		if b.up && b.spec.Labels[plan.LabelRole] == role {
			list = append(list, version(b))
		}
	}
	slices.Sort(list)
	return list
}

// Env returns a variable of the running container of a role, "" when none runs.
func (h *Host) Env(role, name string) string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, b := range h.containers {
		if b.up && b.spec.Labels[plan.LabelRole] == role {
			return b.spec.Env[name].Reveal()
		}
	}
	return ""
}

// Digest returns the image that a role's running container was made of.
func (h *Host) Digest(role string) string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, b := range h.containers {
		if b.up && b.spec.Labels[plan.LabelRole] == role {
			return b.digest
		}
	}
	return ""
}

// Locks returns the lock folders on the host, graves of dead ones included.
func (h *Host) Locks() []string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	var list []string
	for name, f := range h.files {
		if f.Dir && strings.HasPrefix(name, ".kamal/lock-") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// PutLock puts a lock on the host as Kamal's CLI does.
func (h *Host) PutLock(dir string, details []byte) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.files.MkdirAll(dir)
	h.files[dir+"/details"] = disk.File{Content: details}
}

// RemoveLock removes one, as `kamal lock release` does.
func (h *Host) RemoveLock(dir string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.files.RemoveAll(dir)
}

// Adopt runs a container as if somebody else had started it, with its image
// and, where r is given, its route.
func (h *Host) Adopt(name string, s container.Spec, r *plan.Route) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.bootProxy(route.Spec(plan.ProxyRun{}, "").Labels, true)
	h.images[s.Image] = h.w.images[s.Image]
	b := h.add(name, s, h.w.images[s.Image])
	b.up, b.started = true, time.Now()
	if r != nil {
		h.routes[r.Service] = routed{id: b.id, route: *r}
	}
}

// Remove removes the containers whose names contain text, as a human might.
func (h *Host) Remove(text string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	maps.DeleteFunc(h.containers, func(_ string, b *box) bool { return strings.Contains(b.name, text) })
}

// RemoveOld removes those of them that have no traffic, as a human who tidies up
// might: "docker container prune" after "docker stop".
func (h *Host) RemoveOld(text string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	maps.DeleteFunc(h.containers, func(_ string, b *box) bool {
		for _, r := range h.routes {
			if r.leads(b.id) {
				return false
			}
		}
		return strings.Contains(b.name, text)
	})
}

// Halt stops the containers whose names contain text, as a human might.
func (h *Host) Halt(text string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	for _, b := range h.containers {
		if strings.Contains(b.name, text) && b.up {
			b.up, b.status, b.ended = false, container.Exited, time.Now()
		}
	}
}

func (h *Host) bootProxy(labels map[string]string, start bool) {
	b := h.find(route.Container)
	if b == nil {
		b = h.add(route.Container, container.Spec{Labels: labels, Network: plan.Network}, "")
	}
	if start && !b.up {
		b.up, b.started = true, time.Now()
	}
}

// version of a container as its name says.
func version(b *box) string {
	name, _, _ := strings.Cut(b.name, "_replaced_")
	if n := b.spec.Labels[plan.LabelReplica]; n != "" {
		name = strings.TrimSuffix(name, "-"+n)
	}
	return name[strings.LastIndex(name, "-")+1:]
}
