package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// downTimeout bounds Down. An idle machine of two cores takes 3 s.
const downTimeout = 2 * time.Minute

// Down ends the full cluster, if there is any or something left of one, and
// leaves the machine as it was. It is safe to repeat, and after a crash.
func Down(ctx context.Context) error {
	state, err := StateDir()
	if err != nil {
		return err
	}
	if !isDir(state) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, downTimeout, fmt.Errorf("not down after %s", downTimeout))
	defer cancel()
	// Those first that start others again.
	for _, names := range [][]string{
		{"kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"},
		{"containerd"},
		{"containerd-shim-runc-v2"},
	} {
		if err := killAll(ctx, names[0], func() ([]int, error) { return processesOf(state, names...) }); err != nil {
			return err
		}
	}
	if err := killAll(ctx, "containers", containerProcesses); err != nil {
		return err
	}
	if err := unmountBelow(ctx, state); err != nil {
		return err
	}
	if err := removeCgroups(ctx); err != nil {
		return err
	}
	if err := restore(ctx, state); err != nil {
		return err // and keep the state directory, so that the next Down tries again
	}
	return os.RemoveAll(state)
}

// containerProcesses finds the processes in the pods' cgroups.
func containerProcesses() ([]int, error) {
	var pids []int
	for _, dir := range podCgroups() {
		content, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue // gone meanwhile, or a hierarchy without processes
		}
		for field := range strings.FieldsSeq(string(content)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", dir, err)
			}
			if !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// unmountBelow unmounts all below dir: containers' file systems, volumes and
// network namespaces.
func unmountBelow(ctx context.Context, dir string) error {
	content, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			points = append(points, fields[1])
		}
	}
	for _, point := range slices.Backward(points) { // the latest lies over the earlier ones
		if _, err := run(ctx, "umount", point); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the pods' cgroups. A process that has been killed stays
// in its own for a moment.
func removeCgroups(ctx context.Context) error {
	return until(ctx, "the pods' cgroups to empty", func(context.Context) error {
		for _, dir := range podCgroups() {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}
