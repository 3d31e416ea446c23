package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Cluster is a running cluster.
type Cluster struct {
	// Kubeconfig is the file with the administrator's access.
	Kubeconfig string

	kubectl string // the program
	state   string
	stop    func() error
}

// Kubectl runs kubectl to its end and returns what it prints; stdin is what it
// reads, as manifests for "apply -f -". The error holds what it says.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := c.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.String(), fmt.Errorf("running kubectl %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Command returns kubectl as a command that has not started.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.kubectl, args...)
	// Its caches of what the server offers are of no use to the next cluster.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+filepath.Join(c.state, "kubectl"))
	return cmd
}

// Stop ends the cluster and all that belongs to it.
func (c *Cluster) Stop() error { return c.stop() }

// client returns an HTTP client with a client's certificate.
func (p plane) client(name string) (*http.Client, error) {
	ca, err := os.ReadFile(p.path("pki/ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(p.path("pki/"+name+".crt"), p.path("pki/"+name+".key"))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}}, nil
}

func (p plane) url(path string) string { return fmt.Sprintf("https://127.0.0.1:%d%s", p.apiPort, path) }

// waitReady waits until the API server says that it is ready.
func (p plane) waitReady(ctx context.Context) error {
	client, err := p.client("admin")
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	return until(ctx, "the API server", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url("/readyz"), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
			return fmt.Errorf("%s: %s", resp.Status, body)
		}
		return nil
	})
}
