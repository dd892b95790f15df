package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// service is a program that runs as long as the machine does. It is started
// again when it ends, unless runDir holds a file NAME.off.
type service struct {
	name string
	argv []string
	pid  int // 0 while it does not run
}

func (s *service) off() bool     { _, err := os.Stat(offFile(s.name)); return err == nil }
func offFile(name string) string { return filepath.Join(runDir, name+".off") }
func pidFile(name string) string { return filepath.Join(runDir, name+".pid") }
func logFile(name string) string { return filepath.Join(logDir, name+".log") }
func (s *service) signal(sig syscall.Signal) {
	if s.pid != 0 {
		_ = syscall.Kill(s.pid, sig) // it may have ended meanwhile
	}
}

// supervisor is process 1: it starts the services and collects every dead
// process of the machine, orphans of the engine included.
type supervisor struct {
	mu       sync.Mutex // held over start and over reap: no exit before its pid is known
	services []*service
	exited   chan struct{}
}

func newSupervisor(services []*service) *supervisor {
	return &supervisor{services: services, exited: make(chan struct{}, 1)}
}

// run returns when the machine was told to stop and its services have ended.
func (s *supervisor) run() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if err := s.startMissing(); err != nil {
		return err
	}
	go s.reap() // ends with the process: nothing outlives process 1
	tick := time.NewTicker(100 * time.Millisecond)
	for {
		select {
		case <-stop:
			return s.stop()
		case <-tick.C: // also paces the restarts of a service that cannot start
			if err := s.startMissing(); err != nil {
				return err
			}
		}
	}
}

func (s *supervisor) startMissing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, svc := range s.services {
		if svc.pid != 0 || svc.off() {
			continue
		}
		if err := start(svc); err != nil {
			return err
		}
	}
	return nil
}

func start(svc *service) error {
	log, err := os.OpenFile(logFile(svc.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", svc.name, err)
	}
	defer log.Close()
	// A pid file from before a crash makes dockerd refuse to start.
	if err := os.Remove("/run/docker.pid"); svc.name == "engine" && err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	p, err := os.StartProcess(svc.argv[0], svc.argv, &os.ProcAttr{
		Dir: "/", Env: append(os.Environ(), "HOME=/root"), Files: []*os.File{nil, log, log},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", svc.name, err)
	}
	svc.pid = p.Pid
	if err := os.WriteFile(pidFile(svc.name), []byte(strconv.Itoa(p.Pid)), 0o644); err != nil {
		return fmt.Errorf("write pid of %s: %w", svc.name, err)
	}
	return nil
}

func (s *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.ECHILD) { // all services are off
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil || pid <= 0 {
			continue
		}
		s.mu.Lock()
		for _, svc := range s.services {
			if svc.pid == pid {
				svc.pid = 0
				_ = os.Remove(pidFile(svc.name))
			}
		}
		s.mu.Unlock()
		select {
		case s.exited <- struct{}{}:
		default:
		}
	}
}

// stop ends the services in reverse order and waits for them, as an orderly
// shutdown does; what is left then dies with process 1.
func (s *supervisor) stop() error {
	deadline := time.After(15 * time.Second)
	for i := len(s.services) - 1; i >= 0; i-- {
		s.mu.Lock()
		s.services[i].signal(syscall.SIGCONT)
		s.services[i].signal(syscall.SIGTERM)
		s.mu.Unlock()
		for s.running(s.services[i]) {
			select {
			case <-s.exited:
			case <-deadline:
				return errors.New("stop services: gave up after 15 seconds")
			}
		}
	}
	return nil
}

func (s *supervisor) running(svc *service) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return svc.pid != 0
}
