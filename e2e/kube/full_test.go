//go:build e2e

package kube

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// web is a workload that touches all that a node has: volumes, probes, a Service,
// a port of the host.
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.local/app:1
          args: [serve]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          volumeMounts: [{name: scratch, mountPath: /scratch}]
      volumes: [{name: scratch, emptyDir: {medium: Memory}}]
---
apiVersion: v1
kind: Pod
metadata: {name: on-host, namespace: default}
spec:
  containers: [{name: app, image: registry.local/app:1, args: [serve], ports: [{containerPort: 8080, hostPort: 31999}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, nodePort: 30999}]
`

// machine is what of this machine a cluster changes, a line each.
func machine(t *testing.T) []string {
	t.Helper()
	var lines []string
	add := func(kind, text string) {
		for line := range strings.Lines(text) {
			lines = append(lines, kind+" "+strings.TrimSpace(line))
		}
	}
	for kind, command := range map[string][]string{
		"link":  {"ip", "-brief", "link", "show", "type", "bridge"},
		"veth":  {"ip", "-brief", "link", "show", "type", "veth"},
		"addr":  {"ip", "-brief", "-4", "addr"},
		"rule":  {"nft", "list", "ruleset"},
		"netns": {"ip", "netns"},
	} {
		out, err := run(t.Context(), command[0], command[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		add(kind, out)
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	add("mount", string(mounts))
	for name := range sysctls {
		value, err := os.ReadFile(sysctlFile(name))
		if err != nil {
			t.Fatal(err)
		}
		add(name, string(value))
	}
	for _, dir := range slices.Concat(shared, podCgroups()) {
		if isDir(dir) {
			add("folder", dir)
		}
	}
	state, err := StateDir()
	if err != nil {
		t.Fatal(err)
	}
	if isDir(state) {
		add("folder", state)
	}
	names := []string{"kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd", "containerd", "containerd-shim-runc-v2"}
	pids, err := processesOf(state, names...)
	if err != nil {
		t.Fatal(err)
	}
	for range pids {
		add("process", "of the cluster")
	}
	slices.Sort(lines)
	return lines
}

// A cluster leaves the machine as it was: when it is stopped, when everything in
// it was killed, and when its start was.
func TestDownLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	if err := Down(ctx); err != nil {
		t.Fatal(err)
	}
	before := machine(t)
	check := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(before, machine(t)); diff != "" {
			t.Errorf("the machine (-before +after):\n%s", diff)
		}
	}
	t.Run("stopped", func(t *testing.T) {
		c := upWithWeb(t, ctx)
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		check(t)
		if err := Down(ctx); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		upWithWeb(t, ctx)
		state, err := StateDir()
		if err != nil {
			t.Fatal(err)
		}
		pids, err := processesOf(state, "kubelet", "etcd", "containerd")
		if err != nil || len(pids) != 3 {
			t.Fatalf("got processes %v, %v; want 3", pids, err)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if err := Down(ctx); err != nil {
			t.Fatal(err)
		}
		check(t)
	})
	ctl := filepath.Join(t.TempDir(), "ctl")
	if out, err := run(ctx, "go", "build", "-o", ctl, "../ctl"); err != nil {
		t.Fatal(out, err)
	}
	for _, at := range []string{"the API server is ready", "the node is ready"} {
		t.Run("start killed when "+at, func(t *testing.T) {
			killAt(t, exec.Command(ctl, "up"), at)
			if err := Down(ctx); err != nil {
				t.Fatal(err)
			}
			check(t)
		})
	}
	t.Run("start fails", func(t *testing.T) {
		missing := Image{Names: []string{"registry.local/missing:1"}, Files: []File{{Source: "/no/such/file", Target: "/file"}}}
		if _, err := Up(ctx, os.Stderr, missing); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
			t.Errorf("got error %v; want the missing file in it", err)
		}
		check(t)
	})
}

// upWithWeb starts a cluster that runs web.
func upWithWeb(t *testing.T, ctx context.Context) *Cluster {
	t.Helper()
	c, err := Up(ctx, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"apply", "-f", "-"},
		{"rollout", "status", "deployment/web", "--timeout=120s"},
		{"wait", "pod/on-host", "--for=condition=Ready", "--timeout=120s"},
	} {
		if _, err := c.Kubectl(ctx, web, args...); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// killAt starts the command, and kills it when a line of what it says holds text.
func killAt(t *testing.T, cmd *exec.Cmd, text string) {
	t.Helper()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	seen := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if !seen && strings.Contains(lines.Text(), text) {
			seen = true
			_ = cmd.Process.Kill() // Wait says when that failed
		}
	}
	if err := cmd.Wait(); !seen || err == nil {
		t.Fatalf("ctl ended by itself (%v):\n%s", err, said.String())
	}
}
