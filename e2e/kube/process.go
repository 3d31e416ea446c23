package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is what a process is started with.
type program struct {
	name string // its argv[0], and that of its log file
	path string
	args []string
}

// supervisor starts processes and notices their end. Those of a full cluster
// outlive it.
type supervisor struct {
	state string

	mu      sync.Mutex
	started []*exec.Cmd
	waits   sync.WaitGroup

	failed chan struct{} // closed at the first end that nobody asked for
	cause  error         // what ended, once failed is closed
	ending bool
}

func newSupervisor(state string) *supervisor {
	return &supervisor{state: state, failed: make(chan struct{})}
}

// start starts the programs, each in a session of its own, so that a Ctrl-C in
// the terminal is not theirs. They die with this process if tied is set.
func (s *supervisor) start(tied bool, programs ...program) error {
	if err := os.MkdirAll(filepath.Join(s.state, "log"), 0o755); err != nil {
		return err
	}
	for _, p := range programs {
		log, err := os.OpenFile(s.logFile(p.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		cmd := exec.Command(p.path, p.args...)
		cmd.Args[0], cmd.Dir = p.name, s.state
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if tied {
			dieWithParent(cmd.SysProcAttr)
		}
		err = cmd.Start()
		log.Close()
		if err != nil {
			return fmt.Errorf("starting %s: %w", p.name, err)
		}
		s.mu.Lock()
		s.started = append(s.started, cmd)
		s.mu.Unlock()
		s.waits.Go(func() { s.ended(p.name, cmd.Wait()) })
	}
	return nil
}

func (s *supervisor) logFile(name string) string { return filepath.Join(s.state, "log", name+".log") }

// ended keeps the first end that nobody asked for.
func (s *supervisor) ended(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.cause != nil {
		return
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	s.cause = fmt.Errorf("%s ended: %w\n%s", name, err, tail(s.logFile(name), 20))
	close(s.failed)
}

// stop ends the processes, and returns when they have, with the end of one that
// came before and was not asked for.
func (s *supervisor) stop() error {
	s.mu.Lock()
	s.ending = true
	cause := s.cause
	for _, cmd := range s.started {
		_ = cmd.Process.Kill() // it may have ended
	}
	s.mu.Unlock()
	s.waits.Wait()
	return cause
}

// watched returns a context that also ends when a process does, with that as its
// cause.
func (s *supervisor) watched(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.failed:
			cancel(s.cause)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// until tries ten times a second until try succeeds, and returns its last error
// when ctx ends first.
func until(ctx context.Context, what string, try func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// run runs a command to its end, with its output in the error.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return string(out), fmt.Errorf("running %s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// tail is the last lines of a file, for an error.
func tail(file string, lines int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// processesOf finds the processes whose command is one of names and whose command
// line holds the folder state. Nothing else need be known about them: not who
// started them, nor when.
func processesOf(state string, names ...string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !strings.Contains(string(line), state+"/") {
			continue
		}
		command, _, _ := strings.Cut(string(line), "\x00")
		for _, name := range names {
			if filepath.Base(command) == name {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// killAll ends the processes that find finds, again and again until there are
// none: a dying parent may have started another.
func killAll(ctx context.Context, what string, find func() ([]int, error)) error {
	return until(ctx, what+" to end", func(context.Context) error {
		pids, err := find()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("ending process %d: %w", pid, err)
			}
		}
		if len(pids) > 0 {
			return fmt.Errorf("%d are left", len(pids))
		}
		return nil
	})
}
