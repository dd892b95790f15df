package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// The API version that is asked for: the newest that all of this was written
// for, or the engine's where that is older. Sessions with secrets need 1.39.
const (
	newestAPI = "1.44"
	oldestAPI = "1.40"
)

// Bounds.
const (
	callTime  = 30 * time.Second
	maxStream = 512 << 20 // bytes of progress of one build or push
	maxAnswer = 64 << 10  // bytes of an error's text
	// Stall is how long a push may go without a word of progress.
	Stall = 2 * time.Minute
)

// Engine makes images. It is safe for concurrent use.
type Engine struct {
	name string
	dial func(ctx context.Context) (net.Conn, error)
	http *http.Client
}

// New makes an Engine: name is for messages, dial connects to the engine's
// socket. Nothing is dialled yet. Close drops what is idle.
func New(name string, dial func(ctx context.Context) (net.Conn, error)) *Engine {
	return &Engine{name: name, dial: dial, http: &http.Client{Transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true, MaxIdleConnsPerHost: 2,
	}}}
}

// Close drops idle connections.
func (e *Engine) Close() { e.http.CloseIdleConnections() }

// Order is one build.
type Order struct {
	Tags       []string // references that the image gets
	Dockerfile string   // path in the context
	Target     string
	Args       map[string]string
	Labels     map[string]string
	Platform   string   // such as "linux/arm64"; "" is the engine's own
	CacheFrom  []string // images whose inline cache is used
	// Inline keeps the cache in the image, for a later CacheFrom.
	Inline  bool
	NoCache bool
	Lends   Lends
}

// query is the order in the words of POST /build.
func (o Order) query(session string) (url.Values, error) {
	q := url.Values{"version": {"2"}, "t": o.Tags, "dockerfile": {cmp.Or(o.Dockerfile, "Dockerfile")}, "session": {session}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("target", o.Target)
	set("platform", o.Platform)
	if o.NoCache {
		set("nocache", "1")
	}
	args := map[string]*string{}
	for name, value := range o.Args {
		args[name] = &value
	}
	if o.Inline {
		args["BUILDKIT_INLINE_CACHE"] = new("1")
	}
	for name, value := range map[string]any{"buildargs": args, "labels": o.Labels, "cachefrom": o.CacheFrom} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		if s := string(text); s != "null" && s != "{}" {
			q.Set(name, s)
		}
	}
	return q, nil
}

// A BuildError is what BuildKit says of a build that failed.
type BuildError struct {
	Message string
	// Step is the name of the step that failed, "" where none did.
	Step string
}

func (e *BuildError) Error() string { return e.Message }

// Build builds a context, a tar, and returns the image's id. told hears what
// happens, line by line. The build ends when ctx does. The error is a
// *BuildError where the engine says that the build failed.
func (e *Engine) Build(ctx context.Context, o Order, files io.Reader, told func(Line)) (id string, err error) {
	api, err := e.api(ctx)
	if err != nil {
		return "", err
	}
	s, err := openSession(ctx, e.dial, "/v"+api+"/session", o.Lends)
	if err != nil {
		return "", e.failed(ctx, "build", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	q, err := o.query(s.id)
	if err != nil {
		return "", err
	}
	header := http.Header{"Content-Type": {"application/x-tar"}}
	body, err := e.call(ctx, "/v"+api+"/build?"+q.Encode(), header, files)
	if err != nil {
		if refused, ok := errors.AsType[*Refusal](err); ok && refused.Status == http.StatusBadRequest {
			return "", &BuildError{Message: refused.Message}
		}
		return "", e.failed(ctx, "build", err)
	}
	defer body.Close()
	t := newTrace(told)
	err = stream(body, func(m message) error {
		var aux struct{ ID string }
		var status []byte
		switch {
		case m.ID == "moby.buildkit.trace" && json.Unmarshal(m.Aux, &status) == nil:
			t.read(status)
		case json.Unmarshal(m.Aux, &aux) == nil && aux.ID != "":
			id = aux.ID
		case m.Stream != "":
			t.log("", m.Stream)
		}
		return m.err()
	})
	t.end()
	if said, ok := errors.AsType[*saidError](err); ok && ctx.Err() == nil {
		return "", &BuildError{Message: plain(said.Error()), Step: t.failed}
	}
	if err == nil && id == "" {
		err = errors.New("the engine ended its answer without an image")
	}
	return id, e.failed(ctx, "build", err)
}

// Push pushes one reference, and returns the digest ("sha256:…") under which
// the registry has it. It ends with docker.ErrStalled when the engine says
// nothing for Stall.
func (e *Engine) Push(ctx context.Context, name, tag string, auth docker.Auth, told func(Line)) (digest string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(Stall, func() { cancel(fmt.Errorf("%w: the push said nothing for %s", docker.ErrStalled, Stall)) })
	defer stall.Stop()
	api, err := e.api(ctx)
	if err != nil {
		return "", err
	}
	account, err := json.Marshal(map[string]string{"username": auth.Username, "password": auth.Password.Reveal(), "serveraddress": auth.Server})
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	header := http.Header{"X-Registry-Auth": {base64.URLEncoding.EncodeToString(account)}}
	body, err := e.call(ctx, "/v"+api+"/images/"+name+"/push?tag="+url.QueryEscape(tag), header, nil)
	if err != nil {
		return "", e.failed(ctx, "push "+name+":"+tag, err)
	}
	defer body.Close()
	last := map[string]string{}
	err = stream(body, func(m message) error {
		stall.Reset(Stall)
		var aux struct{ Digest string }
		if json.Unmarshal(m.Aux, &aux) == nil && aux.Digest != "" {
			digest = aux.Digest
		}
		if m.ID != "" && last[m.ID] != m.Status && len(last) < 4096 {
			last[m.ID] = m.Status
			told(Line{Text: plain(m.ID + ": " + m.Status)})
		}
		return m.err()
	})
	if err == nil && digest == "" {
		err = errors.New("the engine ended its answer without a digest")
	}
	return digest, e.failed(ctx, "push "+name+":"+tag, classed(err))
}

// Save streams an image, with its name, as `docker save` does.
func (e *Engine) Save(ctx context.Context, ref string) (io.ReadCloser, error) {
	api, err := e.api(ctx)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker.invalid/v"+api+"/images/"+ref+"/get", nil)
	if err != nil {
		return nil, fmt.Errorf("save %s: %w", ref, err)
	}
	body, err := e.do(r)
	return body, e.failed(ctx, "save "+ref, err)
}

// api agrees on a version.
func (e *Engine) api(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, fmt.Errorf("no answer within %s", callTime))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker.invalid/_ping", nil)
	if err != nil {
		return "", fmt.Errorf("ping: %w", err)
	}
	answer, err := e.http.Do(r)
	if err != nil {
		return "", e.failed(ctx, "ping", fmt.Errorf("%w: %w", docker.ErrUnavailable, err))
	}
	defer answer.Body.Close()
	theirs := answer.Header.Get("Api-Version")
	if older(theirs, oldestAPI) {
		return "", e.failed(ctx, "ping", fmt.Errorf("%w (it speaks %q)", docker.ErrTooOld, plain(theirs)))
	}
	if older(theirs, newestAPI) {
		return theirs, nil
	}
	return newestAPI, nil
}

// older compares versions "major.minor"; what is no version is old.
func older(version, than string) bool {
	var a, b, c, d int
	if n, _ := fmt.Sscanf(version, "%d.%d", &a, &b); n != 2 {
		return true
	}
	_, _ = fmt.Sscanf(than, "%d.%d", &c, &d)
	return a < c || a == c && b < d
}

// call posts, and returns what comes back.
func (e *Engine) call(ctx context.Context, path string, header http.Header, body io.Reader) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker.invalid"+path, body)
	if err != nil {
		return nil, err
	}
	r.Header = header
	return e.do(r)
}

func (e *Engine) do(r *http.Request) (io.ReadCloser, error) {
	r.Header.Set("User-Agent", "fairlead")
	answer, err := e.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, refusal(answer)
}

// failed names the call and the engine, and prefers the reason for which ctx
// ended.
func (e *Engine) failed(ctx context.Context, call string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s on %s: %w", call, e.name, err)
}

// A Refusal is an answer that is no success.
type Refusal struct {
	Status  int
	Message string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the engine answers %d: %s", r.Status, r.Message)
}

// Is makes a missing image docker.ErrNotFound.
func (r *Refusal) Is(target error) bool {
	return r.Status == http.StatusNotFound && target == docker.ErrNotFound
}

func refusal(answer *http.Response) *Refusal {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // a part says enough
	var said struct{ Message string }
	if json.Unmarshal(body, &said) != nil {
		said.Message = string(body)
	}
	return &Refusal{Status: answer.StatusCode, Message: plain(said.Message)}
}

// message is one part of a progress stream.
type message struct {
	ID, Status, Stream string
	Aux                json.RawMessage
	ErrorDetail        *struct{ Message string }
	Error              string
}

// saidError is an error that a stream told.
type saidError struct{ text string }

func (e *saidError) Error() string { return e.text }

func (m message) err() error {
	switch {
	case m.ErrorDetail != nil && m.ErrorDetail.Message != "":
		return &saidError{m.ErrorDetail.Message}
	case m.Error != "":
		return &saidError{m.Error}
	}
	return nil
}

// stream reads the parts of a progress stream until each errs or it ends.
func stream(r io.Reader, each func(message) error) error {
	decoder := json.NewDecoder(io.LimitReader(r, maxStream))
	for {
		var m message
		if err := decoder.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

// classed gives what a registry said of a push a class of package docker.
func classed(err error) error {
	said, ok := errors.AsType[*saidError](err)
	if !ok {
		return err
	}
	words := strings.ToLower(said.text)
	for _, c := range []struct {
		class error
		words []string
	}{
		{docker.ErrDiskFull, []string{"no space left on device", "disk quota exceeded"}},
		{docker.ErrTooManyRequests, []string{"toomanyrequests", "too many requests"}},
		{docker.ErrUnauthorized, []string{"unauthorized", "authentication required", "no basic auth credentials", "denied"}},
	} {
		for _, w := range c.words {
			if strings.Contains(words, w) {
				return fmt.Errorf("%w: %s", c.class, plain(said.text))
			}
		}
	}
	return errors.New(plain(said.text))
}
