package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// lightTimeout bounds the start of a light cluster after the build. An idle
// machine of two cores takes 5 s.
const lightTimeout = 3 * time.Minute

// Light starts a light cluster of its own in dir: API server and controllers as
// in a full one, and nodes whose pods say at once that they run and are ready,
// but do not run. It needs no root, and several run beside each other and beside
// a full one. The caller stops it; it ends with this process in any case.
//
// Pods reach nothing and nothing reaches them: webhooks are served by the test,
// with clientConfig.url on 127.0.0.1.
func Light(ctx context.Context, dir string, nodes int) (*Cluster, error) {
	bin, err := Build(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	p := plane{state: dir, bin: bin, advertise: "127.0.0.1", etcdPort: ports[0], peerPort: ports[1], apiPort: ports[2]}
	if err := writePKI(p.path("pki"), nil); err != nil {
		return nil, err
	}
	if err := p.writeKubeconfigs("admin"); err != nil {
		return nil, err
	}
	s := newSupervisor(dir)
	start, stopThread := tiedStarter(s)
	stop := func() error {
		err := s.stop()
		stopThread()
		return err
	}
	if err := start(p.etcd(), p.apiserver()); err != nil {
		return nil, errors.Join(err, stop())
	}
	started, cancel := context.WithTimeoutCause(ctx, lightTimeout, fmt.Errorf("not up after %s", lightTimeout))
	defer cancel()
	started, stopWatching := s.watched(started)
	defer stopWatching()
	if err := p.waitReady(started); err != nil {
		return nil, errors.Join(err, stop())
	}
	// They end when the API server does not answer in ten seconds, which it does
	// not on a machine that does much else.
	if err := start(p.controllerManager(), p.scheduler()); err != nil {
		return nil, errors.Join(err, stop())
	}
	k, err := startKubelet(started, p, nodes)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &Cluster{Kubeconfig: p.kubeconfig("admin"), kubectl: p.program("kubectl"), state: dir, stop: func() error {
		return errors.Join(k.stop(), stop())
	}}, nil
}

// tiedStarter starts programs so that they end with this process, which needs a
// thread that lives as long as they are to; stop ends the thread.
func tiedStarter(s *supervisor) (start func(...program) error, stop func()) {
	calls, results := make(chan []program), make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for programs := range calls {
			results <- s.start(true, programs...)
		}
	}()
	start = func(programs ...program) error {
		calls <- programs
		return <-results
	}
	return start, func() { close(calls) }
}

// freePorts finds ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []io.Closer
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
