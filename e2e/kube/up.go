package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// upTimeout bounds Up after the builds. An idle machine of two cores takes 15 s.
const upTimeout = 5 * time.Minute

// StateDir is the folder of the full cluster: one per machine and user, outside
// of any clone.
func StateDir() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		state = filepath.Join(home, ".local", "state")
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return "", err
	}
	// As the system names it, for Down compares it with mounts.
	state, err := filepath.EvalSymlinks(state)
	return filepath.Join(state, "signalbox", "cluster"), err
}

// Up starts the full cluster, with images loaded beside its own, and returns when
// its node is ready and its DNS answers. It ends what is left of an earlier one
// first. The cluster runs on after this process; Down, or Stop of the result,
// ends it. When Up fails, nothing is left either. What it does goes to progress.
func Up(ctx context.Context, progress io.Writer, images ...Image) (*Cluster, error) {
	cniPlugins, err := checkHost()
	if err != nil {
		return nil, err
	}
	state, err := StateDir()
	if err != nil {
		return nil, err
	}
	bin, err := Build(ctx, progress)
	if err != nil {
		return nil, err
	}
	if err := Down(ctx); err != nil {
		return nil, fmt.Errorf("ending the cluster before: %w", err)
	}
	if err := checkFree(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, upTimeout, fmt.Errorf("not up after %s", upTimeout))
	defer cancel()
	f := newFull(state, bin)
	if err := f.up(ctx, cniPlugins, progress, images); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), downTimeout)
		defer cancel()
		return nil, errors.Join(err, Down(ctx))
	}
	return f.cluster(), nil
}

// Running returns the full cluster that Up has started, maybe in another process.
func Running(ctx context.Context) (*Cluster, error) {
	state, err := StateDir()
	if err != nil {
		return nil, err
	}
	bin, err := Build(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	f := newFull(state, bin)
	if _, err := os.Stat(f.kubeconfig("admin")); err != nil {
		return nil, errors.New("there is no cluster: start one with make cluster-up")
	}
	c := f.cluster()
	if _, err := c.Kubectl(ctx, "", "get", "--raw", "/readyz", "--request-timeout=5s"); err != nil {
		return nil, fmt.Errorf("the cluster does not answer; start it again with make cluster-up: %w", err)
	}
	return c, nil
}

// Load loads images into the full cluster's node.
func (c *Cluster) Load(ctx context.Context, images ...Image) error {
	return load(ctx, c.state, images)
}

// full is the full cluster while it is started.
type full struct {
	plane
	processes *supervisor
}

func newFull(state, bin string) *full {
	return &full{
		plane:     plane{state: state, bin: bin, advertise: nodeIP, etcdPort: 2379, peerPort: 2380, apiPort: 6443, full: true},
		processes: newSupervisor(state),
	}
}

func (f *full) cluster() *Cluster {
	return &Cluster{Kubeconfig: f.kubeconfig("admin"), kubectl: f.program("kubectl"), state: f.state, stop: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
		defer cancel()
		return Down(ctx)
	}}
}

func (f *full) up(ctx context.Context, cniPlugins string, progress io.Writer, images []Image) error {
	started := time.Now()
	say := func(what string) {
		fmt.Fprintf(progress, "%5.1fs  %s\n", time.Since(started).Seconds(), what)
	}
	s, err := f.configure(ctx, cniPlugins)
	if err != nil {
		return err
	}
	ctx, stopWatching := f.processes.watched(ctx)
	defer stopWatching()
	if err := f.processes.start(false, f.containerd(), f.etcd(), f.apiserver()); err != nil {
		return err
	}
	// The kubelet ends when the runtime does not answer.
	if err := f.waitRuntime(ctx); err != nil {
		return err
	}
	if err := f.processes.start(false, f.kubelet()); err != nil {
		return err
	}
	loaded := make(chan error, 1)
	go func() { loaded <- f.load(ctx, images) }()
	if err := f.waitReady(ctx); err != nil {
		return errors.Join(err, <-loaded)
	}
	say("the API server is ready")
	// The controllers end when the API server does not answer in ten seconds, which
	// it does not on a machine that does much else.
	if err := f.processes.start(false, f.controllerManager(), f.scheduler(), f.proxy()); err != nil {
		return errors.Join(err, <-loaded)
	}
	c := f.cluster()
	for _, condition := range []string{"create", "condition=Ready"} {
		if _, err := c.Kubectl(ctx, "", "wait", "--for="+condition, "node/"+nodeName, "--timeout=120s"); err != nil {
			return errors.Join(err, <-loaded)
		}
	}
	say("the node is ready")
	if err := <-loaded; err != nil {
		return err
	}
	say("the images are loaded")
	manifests, err := s.fill("cluster.yaml")
	if err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, string(manifests), "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "", "rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=120s"); err != nil {
		return err
	}
	say("DNS answers")
	return nil
}

// configure makes the state directory and all files in it, and prepares the
// machine.
func (f *full) configure(ctx context.Context, cniPlugins string) (settings, error) {
	if err := os.MkdirAll(f.state, 0o755); err != nil {
		return settings{}, err
	}
	if err := prepare(ctx, f.state); err != nil {
		return settings{}, err
	}
	if err := writePKI(f.path("pki"), []string{nodeIP}); err != nil {
		return settings{}, err
	}
	if err := f.writeKubeconfigs("admin", "kcm", "scheduler", "proxy", "kubelet"); err != nil {
		return settings{}, err
	}
	ok, err := overlays(ctx, f.state)
	if err != nil {
		return settings{}, err
	}
	snapshotter := "overlayfs"
	if !ok {
		snapshotter = "native"
	}
	s := newSettings(f.state, cniPlugins, snapshotter)
	return s, s.write()
}

func (f *full) containerd() program {
	return program{name: "containerd", path: "containerd", args: []string{"--config", f.path("conf/containerd.toml")}}
}

func (f *full) kubelet() program {
	return f.kube("kubelet", "--config="+f.path("conf/kubelet.yaml"), "--kubeconfig="+f.kubeconfig("kubelet"),
		"--hostname-override="+nodeName, "--node-ip="+nodeIP, "--root-dir="+f.path("kubelet"))
}

func (f *full) proxy() program { return f.kube("kube-proxy", "--config="+f.path("conf/proxy.yaml")) }

// waitRuntime waits until containerd answers.
func (f *full) waitRuntime(ctx context.Context) error {
	return until(ctx, "containerd", func(ctx context.Context) error {
		_, err := run(ctx, "ctr", "--address", f.path("containerd.sock"), "version")
		return err
	})
}

// load loads the cluster's own images and the given ones.
func (f *full) load(ctx context.Context, images []Image) error {
	own, err := f.ownImages(ctx)
	if err != nil {
		return err
	}
	// Two at a time: unpacking is half the work, and the rest of the start needs
	// the other core.
	var wg sync.WaitGroup
	var ownErr error
	wg.Go(func() { ownErr = load(ctx, f.state, own) })
	err = load(ctx, f.state, images)
	wg.Wait()
	return errors.Join(ownErr, err)
}

// load streams the images into containerd.
func load(ctx context.Context, state string, images []Image) error {
	if len(images) == 0 {
		return nil
	}
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := WriteArchive(w, images...)
		w.CloseWithError(err)
		written <- err
	}()
	cmd := exec.CommandContext(ctx, "ctr", "--address", filepath.Join(state, "containerd.sock"), "--namespace", "k8s.io", "images", "import", "-")
	cmd.Stdin = r
	out, err := cmd.CombinedOutput()
	r.Close()
	if err := <-written; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if err != nil {
		return fmt.Errorf("loading images: %w\n%s", err, out)
	}
	return nil
}

// ownImages are those of the cluster: what holds a pod's namespaces, DNS, and two
// for tests, a program and a shell.
func (f *full) ownImages(ctx context.Context) ([]Image, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir := f.path("images")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", dir+"/", "./e2e/pause", "./e2e/app")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the cluster's images: %w\n%s", err, out)
	}
	busybox, err := busyboxImage(ctx, filepath.Join(dir, "busybox"))
	return []Image{
		program{name: "pause", path: filepath.Join(dir, "pause")}.image(pauseImage),
		program{name: "coredns", path: f.program("coredns")}.image(corednsImage),
		program{name: "app", path: filepath.Join(dir, "app")}.image("registry.local/app:1"),
		busybox,
	}, err
}

// image is an image that holds the program alone.
func (p program) image(name string) Image {
	return Image{
		Names:  []string{name},
		Files:  []File{{Source: p.path, Target: "/" + p.name}},
		Config: Config{Entrypoint: []string{"/" + p.name}},
	}
}

// busyboxImage is a shell with a link per command, laid out in dir.
func busyboxImage(ctx context.Context, dir string) (Image, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return Image{}, err
	}
	commands, err := run(ctx, path, "--list")
	if err != nil {
		return Image{}, err
	}
	for _, d := range []string{"bin", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return Image{}, err
		}
	}
	for _, name := range strings.Fields(commands) {
		if name == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			return Image{}, err
		}
	}
	return Image{
		Names:  []string{"docker.io/library/busybox:1"},
		Files:  []File{{Source: dir, Target: "/"}, {Source: path, Target: "/bin/busybox"}},
		Config: Config{Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}},
	}, nil
}
