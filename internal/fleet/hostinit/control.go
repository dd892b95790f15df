package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// control stops, starts, freezes or thaws one service. Stopping returns when
// the service has ended; starting returns when it has been started.
func control(verb, name string) error {
	switch verb {
	case "stop":
		if err := os.WriteFile(offFile(name), nil, 0o644); err != nil {
			return fmt.Errorf("switch %s off: %w", name, err)
		}
		if err := send(name, syscall.SIGTERM); err != nil {
			return err
		}
		return until("end of "+name, func() error {
			if pidOf(name) != 0 {
				return errors.New("still running")
			}
			return nil
		})
	case "start":
		if err := os.Remove(offFile(name)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("switch %s on: %w", name, err)
		}
		return until("start of "+name, func() error {
			if pidOf(name) == 0 {
				return errors.New("not running")
			}
			return nil
		})
	case "freeze":
		return send(name, syscall.SIGSTOP)
	case "thaw":
		return send(name, syscall.SIGCONT)
	}
	return errUsage
}

func send(name string, sig syscall.Signal) error {
	pid := pidOf(name)
	if pid == 0 {
		return fmt.Errorf("signal %s: it does not run", name)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", name, err)
	}
	return nil
}

func pidOf(name string) int {
	data, err := os.ReadFile(pidFile(name))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return pid
}

// ready waits until all that a role offers answers. The error ends with what
// the services logged last.
func ready(role string) error {
	switch role {
	case "host":
		return errors.Join(answers("sshd", sshAnswers), answers("engine", engineAnswers))
	case "registry":
		return answers("registry", func() error { return httpAnswers(http.DefaultClient, "http://127.0.0.1:5000/v2/") })
	case "git":
		return errors.Join(answers("sshd", sshAnswers),
			answers("http", func() error { return httpAnswers(http.DefaultClient, "http://127.0.0.1:80/") }))
	}
	return fmt.Errorf("ready: unknown role %q", role)
}

func answers(service string, try func() error) error {
	err := until(service, try)
	if err == nil {
		return nil
	}
	log, _ := os.ReadFile(logFile(service)) // none yet: it did not start
	return fmt.Errorf("%w; its log ends %q", err, log[max(0, len(log)-1000):])
}

func until(what string, try func() error) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("wait for %s: %w", what, err)
}

func sshAnswers() error {
	c, err := net.DialTimeout("tcp", "127.0.0.1:22", time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-2.0") {
		err = fmt.Errorf("answered %q", line)
	}
	return err
}

func engineAnswers() error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", "/run/docker.sock")
	}
	return httpAnswers(&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, "http://docker/_ping")
}

func httpAnswers(client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
