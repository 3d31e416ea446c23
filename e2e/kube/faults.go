package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Restart kills a process of the full cluster, as etcd or kube-apiserver, and
// starts it again as it was: what a crash and the service manager of a node do.
// It returns when the API server answers.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	pid, err := c.process(name)
	if err != nil {
		return err
	}
	line, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return err
	}
	path, err := os.Readlink(procFile(pid, "exe"))
	if err != nil {
		return err
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", name, err)
	}
	if err := until(ctx, name+" to end", func(context.Context) error { return ended(pid) }); err != nil {
		return err
	}
	if err := newSupervisor(c.state).start(false, program{name: args[0], path: path, args: args[1:]}); err != nil {
		return err
	}
	return until(ctx, "the API server", func(ctx context.Context) error {
		_, err := c.Kubectl(ctx, "", "get", "--raw", "/readyz", "--request-timeout=5s")
		return err
	})
}

// Pause stops a process of the full cluster from running, as a disk that hangs
// does, until resume is called.
func (c *Cluster) Pause(name string) (resume func() error, err error) {
	pid, err := c.process(name)
	if err != nil {
		return nil, err
	}
	signal := func(s syscall.Signal) error {
		if err := syscall.Kill(pid, s); err != nil {
			return fmt.Errorf("sending %v to %s: %w", s, name, err)
		}
		return nil
	}
	return func() error { return signal(syscall.SIGCONT) }, signal(syscall.SIGSTOP)
}

// process is the one of the cluster with this name.
func (c *Cluster) process(name string) (int, error) {
	pids, err := processesOf(c.state, name)
	if err == nil && len(pids) != 1 {
		err = errors.New("it does not run once")
	}
	if err != nil {
		return 0, fmt.Errorf("finding %s: %d processes: %w", name, len(pids), err)
	}
	return pids[0], nil
}

// ended is nil when a process has ended: its parent may not have looked yet, but
// its ports are free.
func ended(pid int) error {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The state follows the command, which is in brackets and may hold any.
	if i := bytes.LastIndexByte(stat, ')'); !bytes.HasPrefix(stat[i+1:], []byte(" Z")) {
		return fmt.Errorf("process %d is still there", pid)
	}
	// The first thread may have ended before the others, which hold the files.
	threads, err := os.ReadDir(procFile(pid, "task"))
	if err == nil && len(threads) > 1 {
		return fmt.Errorf("process %d still has %d threads", pid, len(threads))
	}
	return nil
}

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }
