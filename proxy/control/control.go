// Package control is the language spoken with a running proxy: the requests, the options of a
// service, the answers, and the Client that sends them. Whoever wants to steer a proxy (the command
// line in a container, a daemon through a forwarded socket) needs this package only.
//
// # The API
//
// HTTP/1.1 with JSON bodies on a unix socket; whoever can open the socket may do everything.
//
//	POST /v1/deploy          DeployRequest  → DeployResult   blocks: health, switch, drain
//	POST /v1/remove          ServiceRequest → {}
//	POST /v1/pause           PauseRequest   → {}             blocks: drain
//	POST /v1/stop            StopRequest    → {}             blocks: drain
//	POST /v1/resume          ServiceRequest → {}
//	POST /v1/rollout/deploy  RolloutRequest → DeployResult   blocks: health, drain
//	POST /v1/rollout/set     SplitRequest   → {}
//	POST /v1/rollout/stop    RolloutStopRequest → {}         blocks: drain
//	GET  /v1/services        → {"services": [Service, …]}    sorted by name
//	POST /v1/upgrade         {}             → About          another program takes over; see `kamal-proxy upgrade`
//	GET  /v1/version         → About
//
// A failure has a status of 400 or above and the body {"error": "text", "kind": Kind}. Options left
// out of a deploy request have the values of DefaultOptions; an unknown field is refused, so that a
// misspelt option cannot be lost. Times are strings as time.ParseDuration reads them ("1.5s").
//
// A caller that hangs up while a deploy waits for health ends that deploy with nothing changed; once
// the route has switched the drain runs to its end without the caller.
//
// What may not live here: anything that listens, routes or touches a file.
package control

import (
	"encoding/json"
	"fmt"
	"time"
)

// Defaults of kamal-proxy 0.9.2, from its command line help.
const (
	DefaultDeployTimeout = 30 * time.Second
	DefaultDrainTimeout  = 30 * time.Second
	DefaultMaxPause      = 30 * time.Second
	DefaultTargetTimeout = 30 * time.Second
	DefaultBufferMemory  = 1 << 20 // bytes
)

// Duration is a time.Duration that is written as text ("30s") in JSON.
type Duration struct{ time.Duration }

// Seconds returns n seconds.
func Seconds(n int) Duration { return Duration{time.Duration(n) * time.Second} }

// MarshalText writes the form that time.ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration: %w", err)
	}
	d.Duration = parsed
	return nil
}

// TLS says how a service is reached by HTTPS.
type TLS struct {
	Enabled bool `json:"enabled"`
	// Staging takes certificates from Let's Encrypt's staging directory.
	Staging bool `json:"staging,omitempty"`
	// CertificatePath and PrivateKeyPath name PEM files on the proxy's file system, both or neither.
	// Without them certificates come by ACME.
	CertificatePath string `json:"certificate_path,omitempty"`
	PrivateKeyPath  string `json:"private_key_path,omitempty"`
	// Redirect answers plain HTTP with a 301 to HTTPS.
	Redirect bool `json:"redirect"`
}

// HealthCheck says how a target proves that it can serve.
type HealthCheck struct {
	Path     string   `json:"path"`
	Port     int      `json:"port,omitempty"` // 0: the target's own port
	Host     string   `json:"host,omitempty"` // Host header; empty: the target's address
	Interval Duration `json:"interval"`
	Timeout  Duration `json:"timeout"` // of one probe
}

// Options is how a service is served. The field names are those of kamal-proxy's flags.
type Options struct {
	Hosts              []string    `json:"hosts,omitempty"`         // empty: every host
	PathPrefixes       []string    `json:"path_prefixes,omitempty"` // empty: "/"
	StripPathPrefix    bool        `json:"strip_path_prefix"`
	CanonicalHost      string      `json:"canonical_host,omitempty"` // other hosts are redirected here
	TLS                TLS         `json:"tls"`
	HealthCheck        HealthCheck `json:"health_check"`
	TargetTimeout      Duration    `json:"target_timeout"` // until the target's response headers
	BufferRequests     bool        `json:"buffer_requests,omitempty"`
	BufferResponses    bool        `json:"buffer_responses,omitempty"`
	BufferMemory       int64       `json:"buffer_memory"`               // bytes kept in memory, the rest in a file
	MaxRequestBody     int64       `json:"max_request_body,omitempty"`  // bytes; 0: unlimited
	MaxResponseBody    int64       `json:"max_response_body,omitempty"` // bytes, when buffering; 0: unlimited
	LogRequestHeaders  []string    `json:"log_request_headers,omitempty"`
	LogResponseHeaders []string    `json:"log_response_headers,omitempty"`
	// ForwardHeaders trusts the X-Forwarded-* headers of the request.
	ForwardHeaders bool `json:"forward_headers"`
	// ErrorPages is a folder with 404.html, 5xx.html and so on.
	ErrorPages string `json:"error_pages,omitempty"`
}

// DefaultOptions returns what kamal-proxy's flags default to.
func DefaultOptions() Options {
	return Options{
		StripPathPrefix: true,
		TLS:             TLS{Redirect: true},
		HealthCheck:     HealthCheck{Path: "/up", Interval: Seconds(1), Timeout: Seconds(5)},
		TargetTimeout:   Duration{DefaultTargetTimeout},
		BufferMemory:    DefaultBufferMemory,
		ForwardHeaders:  true,
	}
}

// DeployRequest asks for a service to be served by Targets.
type DeployRequest struct {
	Service string   `json:"service"`
	Targets []string `json:"targets"` // host:port, or host for port 80
	Options Options  `json:"options"`
	// DeployTimeout bounds the wait for health, DrainTimeout that for requests still at the old target.
	DeployTimeout Duration `json:"deploy_timeout"`
	DrainTimeout  Duration `json:"drain_timeout"`
	Force         bool     `json:"force,omitempty"` // switch without asking for health
}

// NewDeployRequest returns a request with every default filled in.
func NewDeployRequest(service string, targets ...string) DeployRequest {
	return DeployRequest{
		Service: service, Targets: targets, Options: DefaultOptions(),
		DeployTimeout: Duration{DefaultDeployTimeout}, DrainTimeout: Duration{DefaultDrainTimeout},
	}
}

// DeployResult is what a deploy did.
type DeployResult struct {
	Changed bool `json:"changed"` // false: it was so already
	Drained int  `json:"drained"` // requests that the old target still finished
	Cut     int  `json:"cut"`     // requests and upgraded connections cancelled at the drain timeout
}

// About is a running proxy.
type About struct {
	Version  string `json:"version"`            // "v0.9.2.1"
	Instance string `json:"instance,omitempty"` // of the process, never used again
}

// ServiceRequest names a service.
type ServiceRequest struct {
	Service string `json:"service"`
}

// PauseRequest holds the requests of a service back.
type PauseRequest struct {
	Service      string   `json:"service"`
	DrainTimeout Duration `json:"drain_timeout"`
	MaxPause     Duration `json:"max_pause"` // after so long a held request gets 504
}

// StopRequest answers the requests of a service with 503.
type StopRequest struct {
	Service      string   `json:"service"`
	DrainTimeout Duration `json:"drain_timeout"`
	Message      string   `json:"message,omitempty"` // shown on the page
}

// RolloutRequest deploys targets for the requests that a split selects.
type RolloutRequest struct {
	Service       string   `json:"service"`
	Targets       []string `json:"targets"`
	DeployTimeout Duration `json:"deploy_timeout"`
	DrainTimeout  Duration `json:"drain_timeout"`
	// HealthCheck is how the targets are asked; nil: as the service's own.
	HealthCheck *HealthCheck `json:"health_check,omitempty"`
	// Split begins in the same moment; nil: the one that there is stays.
	Split *Split `json:"split,omitempty"`
}

// RolloutStopRequest sends all requests to the service's own targets again.
type RolloutStopRequest struct {
	Service      string   `json:"service"`
	DrainTimeout Duration `json:"drain_timeout"` // for requests still at the rollout targets
}

// SplitRequest says which requests go to the rollout targets.
type SplitRequest struct {
	Service string `json:"service"`
	Split
}

// Split selects requests by a cookie: by the value of kamal-rollout, which the application sets (a
// request without it is never selected), or, where Sticky, by the bucket that the proxy itself gives
// each client. A sticky split is a trial of its targets: the next deploy of the service ends it.
type Split struct {
	Percent int      `json:"percent"`          // of cookie values or, sticky, of clients, 0 to 100
	List    []string `json:"list,omitempty"`   // exact values of kamal-rollout
	Sticky  bool     `json:"sticky,omitempty"` // not with List
}

// State is what a service does with requests.
type State string

// The states of a service.
const (
	Running State = "running"
	Paused  State = "paused"
	Stopped State = "stopped"
)

// Service is one service as the proxy serves it now.
type Service struct {
	Name           string   `json:"name"`
	State          State    `json:"state"`
	Message        string   `json:"message,omitempty"`
	Targets        []string `json:"targets"`
	RolloutTargets []string `json:"rollout_targets,omitempty"`
	Split          *Split   `json:"split,omitempty"`
	Options        Options  `json:"options"`
	// Traffic has each target, the rollout's behind the others.
	Traffic []Traffic `json:"traffic"`
	// InFlight counts requests and upgraded connections at the targets now.
	InFlight int `json:"in_flight"`
}

// Traffic is what became of the requests that a target was sent, since the proxy started or the
// target got its place.
type Traffic struct {
	Target   string `json:"target"`
	Requests uint64 `json:"requests"` // that have ended
	Errors   uint64 `json:"errors"`   // of these, answered with 500 or above, by the target or in its place
}

// Kind classes a failure, so that a caller can branch without reading words.
type Kind string

// The kinds of failure.
const (
	Invalid   Kind = "invalid"   // the request cannot be meant: 400
	NotFound  Kind = "not_found" // no such service: 404
	Conflict  Kind = "conflict"  // another service has that host and path: 409
	Unhealthy Kind = "unhealthy" // the target did not become healthy: 424
	Internal  Kind = "internal"  // the rest, such as a full disk: 500
)

// Error is a failure that the proxy reports. Nothing was changed, unless Text says so.
type Error struct {
	Kind Kind   `json:"kind"`
	Text string `json:"error"`
}

func (e *Error) Error() string { return e.Text }

// Errorf makes an Error.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// UnmarshalJSON fills what is left out with the defaults.
func (d *DeployRequest) UnmarshalJSON(text []byte) error {
	type plain DeployRequest
	filled := plain(NewDeployRequest(""))
	if err := strict(text, &filled); err != nil {
		return err
	}
	*d = DeployRequest(filled)
	return nil
}

// UnmarshalJSON fills what is left out with the defaults.
func (p *PauseRequest) UnmarshalJSON(text []byte) error {
	type plain PauseRequest
	filled := plain{DrainTimeout: Duration{DefaultDrainTimeout}, MaxPause: Duration{DefaultMaxPause}}
	if err := strict(text, &filled); err != nil {
		return err
	}
	*p = PauseRequest(filled)
	return nil
}

// UnmarshalJSON fills what is left out with the defaults.
func (s *StopRequest) UnmarshalJSON(text []byte) error {
	type plain StopRequest
	filled := plain{DrainTimeout: Duration{DefaultDrainTimeout}}
	if err := strict(text, &filled); err != nil {
		return err
	}
	*s = StopRequest(filled)
	return nil
}

// UnmarshalJSON fills what is left out with the defaults.
func (r *RolloutRequest) UnmarshalJSON(text []byte) error {
	type plain RolloutRequest
	filled := plain{DeployTimeout: Duration{DefaultDeployTimeout}, DrainTimeout: Duration{DefaultDrainTimeout}}
	if err := strict(text, &filled); err != nil {
		return err
	}
	*r = RolloutRequest(filled)
	return nil
}

// UnmarshalJSON fills what is left out with the defaults.
func (r *RolloutStopRequest) UnmarshalJSON(text []byte) error {
	type plain RolloutStopRequest
	filled := plain{DrainTimeout: Duration{DefaultDrainTimeout}}
	if err := strict(text, &filled); err != nil {
		return err
	}
	*r = RolloutStopRequest(filled)
	return nil
}

var _ json.Unmarshaler = (*DeployRequest)(nil)
