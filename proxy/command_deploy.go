package proxy

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func (c *commands) deploy() *cobra.Command {
	q := control.NewDeployRequest("")
	cmd := &cobra.Command{
		Use: "deploy <service>", Short: "Send a service's traffic to other targets, once they are healthy", Args: cobra.ExactArgs(1),
		Long: "Wait until the targets are healthy, send the service's traffic to them, and wait for the requests that\nare still at the former targets. When this returns 0 those can be ended; when not, nothing has changed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			if !cmd.Flags().Changed("forward-headers") {
				q.Options.ForwardHeaders = !q.Options.TLS.Enabled
			}
			for _, path := range []*string{&q.Options.TLS.CertificatePath, &q.Options.TLS.PrivateKeyPath, &q.Options.ErrorPages} {
				if err := absolute(path); err != nil {
					return err
				}
			}
			_, err := c.client().Deploy(cmd.Context(), q)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&q.Targets, "target", nil, "HOST:PORT of a container; repeat it for more")
	cmd.Flags().BoolVar(&q.Force, "force", false, "do not ask whether the targets are healthy")
	timeouts(cmd, &q.DeployTimeout.Duration, &q.DrainTimeout.Duration)
	routingFlags(cmd, &q.Options)
	tlsFlags(cmd, &q.Options.TLS)
	healthFlags(cmd, &q.Options.HealthCheck)
	trafficFlags(cmd, &q.Options)
	required(cmd, "target")
	return cmd
}

func routingFlags(cmd *cobra.Command, o *control.Options) {
	f := cmd.Flags()
	f.StringSliceVar(&o.Hosts, "host", nil, "name that the service answers to; none: every name that is nobody else's")
	f.StringSliceVar(&o.PathPrefixes, "path-prefix", nil, "only requests below this path")
	f.BoolVar(&o.StripPathPrefix, "strip-path-prefix", o.StripPathPrefix, "take the prefix away before the app sees the path")
	f.StringVar(&o.CanonicalHost, "canonical-host", "", "redirect all other names of the service to this one")
}

func tlsFlags(cmd *cobra.Command, t *control.TLS) {
	f := cmd.Flags()
	f.BoolVar(&t.Enabled, "tls", false, "serve HTTPS; needs --host")
	f.BoolVar(&t.Staging, "tls-staging", false, "get certificates from Let's Encrypt's staging, to try things out")
	f.StringVar(&t.CertificatePath, "tls-certificate-path", "", "a certificate of your own, a PEM file with its chain")
	f.StringVar(&t.PrivateKeyPath, "tls-private-key-path", "", "its private key, a PEM file")
	f.BoolVar(&t.Redirect, "tls-redirect", t.Redirect, "answer plain HTTP with a redirect to HTTPS")
	cmd.MarkFlagsRequiredTogether("tls-certificate-path", "tls-private-key-path")
}

func healthFlags(cmd *cobra.Command, h *control.HealthCheck) {
	f := cmd.Flags()
	f.StringVar(&h.Path, "health-check-path", h.Path, "path that answers 2xx when the app can serve")
	f.DurationVar(&h.Interval.Duration, "health-check-interval", h.Interval.Duration, "pause between two checks")
	f.DurationVar(&h.Timeout.Duration, "health-check-timeout", h.Timeout.Duration, "time for one check")
	f.IntVar(&h.Port, "health-check-port", 0, "port to ask instead of the target's")
	f.StringVar(&h.Host, "health-check-host", "", "Host header to ask with")
}

func trafficFlags(cmd *cobra.Command, o *control.Options) {
	f := cmd.Flags()
	f.DurationVar(&o.TargetTimeout.Duration, "target-timeout", o.TargetTimeout.Duration, "time for the app to begin an answer; then 504")
	f.BoolVar(&o.BufferRequests, "buffer-requests", false, "read a request whole before the app gets it")
	f.BoolVar(&o.BufferResponses, "buffer-responses", false, "read an answer whole before the client gets it")
	f.Int64Var(&o.BufferMemory, "buffer-memory", o.BufferMemory, "bytes of a body kept in memory; more goes to disk")
	f.Int64Var(&o.MaxRequestBody, "max-request-body", 0, "most bytes of a request's body, else 413; 0: any")
	f.Int64Var(&o.MaxResponseBody, "max-response-body", 0, "most bytes of a buffered answer, else 500; 0: any")
	f.StringSliceVar(&o.LogRequestHeaders, "log-request-header", nil, "request header to write to the access log; repeat it for more")
	f.StringSliceVar(&o.LogResponseHeaders, "log-response-header", nil, "answer's header to write to the access log; repeat it for more")
	f.BoolVar(&o.ForwardHeaders, "forward-headers", false, "believe and pass on the X-Forwarded headers of the client; unless given, true without --tls")
	f.StringVar(&o.ErrorPages, "error-pages", "", "folder of pages for errors: 502.html, 503.html and so on")
}

// absolute makes a path independent of where the proxy runs; empty stays empty.
func absolute(path *string) error {
	if *path == "" {
		return nil
	}
	full, err := filepath.Abs(*path)
	*path = full
	return err
}
