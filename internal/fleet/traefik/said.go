package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"
)

// dynamic is what a provider says, as far as it is known here.
type dynamic struct {
	HTTP struct {
		Routers           map[string]router     `yaml:"routers"`
		Services          map[string]service    `yaml:"services"`
		Middlewares       map[string]middleware `yaml:"middlewares"`
		ServersTransports map[string]transport  `yaml:"serversTransports"`
	} `yaml:"http"`
	TLS struct {
		Certificates []struct {
			CertFile string `yaml:"certFile"`
			KeyFile  string `yaml:"keyFile"`
		} `yaml:"certificates"`
	} `yaml:"tls"`
}

type router struct {
	EntryPoints []string `yaml:"entryPoints"`
	Rule        string   `yaml:"rule"`
	Service     string   `yaml:"service"`
	Middlewares []string `yaml:"middlewares"`
	Priority    int      `yaml:"priority"`
	TLS         *struct {
		CertResolver string `yaml:"certResolver"`
	} `yaml:"tls"`
}

type service struct {
	LoadBalancer *struct {
		Servers []struct {
			URL string `yaml:"url"`
		} `yaml:"servers"`
		HealthCheck *struct {
			Path, Interval, Timeout string
		} `yaml:"healthCheck"`
		PassHostHeader   *bool  `yaml:"passHostHeader"`
		ServersTransport string `yaml:"serversTransport"`
	} `yaml:"loadBalancer"`
}

type transport struct {
	ForwardingTimeouts struct {
		ResponseHeaderTimeout string `yaml:"responseHeaderTimeout"`
	} `yaml:"forwardingTimeouts"`
}

type middleware struct {
	Headers *struct {
		CustomRequestHeaders  map[string]string `yaml:"customRequestHeaders"`
		CustomResponseHeaders map[string]string `yaml:"customResponseHeaders"`
	} `yaml:"headers"`
	RedirectScheme *struct {
		Scheme    string `yaml:"scheme"`
		Port      string `yaml:"port"`
		Permanent bool   `yaml:"permanent"`
	} `yaml:"redirectScheme"`
	StripPrefix *struct {
		Prefixes []string `yaml:"prefixes"`
	} `yaml:"stripPrefix"`
	ReplacePath *struct {
		Path string `yaml:"path"`
	} `yaml:"replacePath"`
	Buffering *struct {
		MaxRequestBodyBytes  int64 `yaml:"maxRequestBodyBytes"`
		MaxResponseBodyBytes int64 `yaml:"maxResponseBodyBytes"`
		MemRequestBodyBytes  int64 `yaml:"memRequestBodyBytes"`
		MemResponseBodyBytes int64 `yaml:"memResponseBodyBytes"`
	} `yaml:"buffering"`
}

// folder is the file provider.
type folder struct {
	path string
	text string // all that was read last
	said dynamic
}

// look tells whether there is something new.
func (f *folder) look() (changed bool, err error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return false, err
	}
	var all strings.Builder
	var texts [][]byte
	for _, e := range entries {
		if !slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(e.Name())) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(f.path, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		texts = append(texts, text)
		fmt.Fprintf(&all, "%q %q\n", e.Name(), text)
	}
	if all.String() == f.text {
		return false, nil
	}
	f.text = all.String()
	var said dynamic
	for _, text := range texts {
		one, err := decode(text)
		if err == nil {
			err = merge(&said, one)
		}
		if err != nil {
			return false, fmt.Errorf("error occurred during watcher callback: %w", err)
		}
	}
	f.said = said
	return true, nil
}

func decode(text []byte) (d dynamic, err error) {
	t, err := template.New("").Parse(string(text))
	if err != nil {
		return d, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return d, err
	}
	dec := yaml.NewDecoder(&b)
	dec.KnownFields(true)
	if err := dec.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return d, err
	}
	return d, nil
}

func merge(all *dynamic, one dynamic) error {
	return errors.Join(add(&all.HTTP.Routers, one.HTTP.Routers), add(&all.HTTP.Services, one.HTTP.Services),
		add(&all.HTTP.Middlewares, one.HTTP.Middlewares), add(&all.HTTP.ServersTransports, one.HTTP.ServersTransports),
		func() error { all.TLS.Certificates = append(all.TLS.Certificates, one.TLS.Certificates...); return nil }())
}

func add[T any](all *map[string]T, one map[string]T) error {
	if *all == nil {
		*all = map[string]T{}
	}
	for name, v := range one {
		if _, both := (*all)[name]; both {
			return fmt.Errorf("%s already configured, skipping", name)
		}
		(*all)[name] = v
	}
	return nil
}

// engine is the docker provider: rules and ports of containers' labels.
type engine struct {
	network string
	text    string
	said    dynamic
}

func (e *engine) look(ctx context.Context) (changed bool, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/containers/json", nil)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	var list []struct {
		Names           []string
		Status          string
		Labels          map[string]string
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 8<<20)).Decode(&list); err != nil {
		return false, err
	}
	said := dynamic{}
	said.HTTP.Routers, said.HTTP.Services = map[string]router{}, map[string]service{}
	for _, c := range list {
		ip := c.NetworkSettings.Networks[e.network].IPAddress
		if c.Labels["traefik.enable"] == "false" || ip == "" || strings.Contains(c.Status, "unhealthy") || strings.Contains(c.Status, "health: starting") {
			continue
		}
		name, port := strings.TrimPrefix(c.Names[0], "/"), "80"
		rules := map[string]string{}
		for key, value := range c.Labels {
			part := strings.Split(key, ".")
			switch {
			case len(part) == 5 && part[2] == "routers" && part[4] == "rule":
				rules[part[3]] = value
			case strings.HasSuffix(key, ".loadbalancer.server.port"):
				port = value
			}
		}
		if len(rules) == 0 {
			rules[name] = "Host(`" + name + "`)"
		}
		for router, rule := range rules {
			said.HTTP.Routers[router] = newRouter(rule, name)
		}
		said.HTTP.Services[name] = newService("http://" + net.JoinHostPort(ip, port))
	}
	text := fmt.Sprintf("%+v", said.HTTP.Routers)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range said.HTTP.Services {
			if !yield(n) {
				return
			}
		}
	}) {
		text += name + said.HTTP.Services[name].LoadBalancer.Servers[0].URL
	}
	changed, e.text, e.said = text != e.text, text, said
	return changed, nil
}

func newRouter(rule, service string) router { return router{Rule: rule, Service: service} }

func newService(url string) (s service) {
	if err := yaml.Unmarshal([]byte("loadBalancer: {servers: [{url: '"+url+"'}]}"), &s); err != nil {
		panic(err) // a text of ours
	}
	return s
}
