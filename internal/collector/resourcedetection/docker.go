package resourcedetection

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// dockerAttributes are those of detector docker, and the defaults.
var dockerAttributes = Attributes{
	"container.image.name": {}, "container.name": {},
	"host.name": {Enabled: true}, "os.type": {Enabled: true},
}

// dockerDetector asks the Docker daemon that the environment names, as Docker's
// own client does.
type dockerDetector struct{ config *Config }

// detect is content with no daemon, unless metadata must not be missing.
func (d dockerDetector) detect(ctx context.Context, to found) error {
	err := d.ask(ctx, to)
	if err != nil && !d.config.FailOnMissingMetadata {
		return nil
	}
	return err
}

func (d dockerDetector) ask(ctx context.Context, to found) error {
	client, base, err := dockerClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if to.wants("host.name") || to.wants("os.type") {
		var daemon struct{ Name, OSType string }
		if err := getJSON(ctx, client, base+"/info", &daemon); err != nil {
			return fmt.Errorf("asking the Docker daemon: %w", err)
		}
		to.put("host.name", daemon.Name)
		to.put("os.type", osType(daemon.OSType))
	}
	if to.wants("container.name") || to.wants("container.image.name") {
		// A container's host name is its id, unless it was given another.
		id, err := os.Hostname()
		if err != nil {
			return err
		}
		var container struct{ Name, Image string }
		if err := getJSON(ctx, client, base+"/containers/"+url.PathEscape(id)+"/json", &container); err != nil {
			return fmt.Errorf("asking the Docker daemon for container %s: %w", id, err)
		}
		to.put("container.name", container.Name)
		to.put("container.image.name", container.Image)
	}
	return nil
}

// dockerClient is a client for the daemon that DOCKER_HOST names, and the
// address that its requests begin with.
func dockerClient() (*http.Client, string, error) {
	address := cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock")
	at, err := url.Parse(address)
	if err != nil {
		return nil, "", fmt.Errorf("reading DOCKER_HOST: %w", err)
	}
	transport := &http.Transport{}
	switch at.Scheme {
	case "unix":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", at.Path)
		}
		return &http.Client{Transport: transport}, "http://docker", nil
	case "tcp", "http", "https":
		scheme := "http"
		if certs := os.Getenv("DOCKER_CERT_PATH"); certs != "" || at.Scheme == "https" {
			scheme = "https"
			if transport.TLSClientConfig, err = dockerTLS(certs); err != nil {
				return nil, "", err
			}
		}
		return &http.Client{Transport: transport}, scheme + "://" + at.Host, nil
	}
	return nil, "", fmt.Errorf("DOCKER_HOST: unknown scheme of %q; known are unix, tcp, http and https", address)
}

// dockerTLS reads ca.pem, cert.pem and key.pem, as Docker's own client does.
func dockerTLS(dir string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if dir == "" {
		return config, nil
	}
	// #nosec G402: what the variable is for; the daemon is then not verified.
	config.InsecureSkipVerify = os.Getenv("DOCKER_TLS_VERIFY") == ""
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading Docker's certificates: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("reading Docker's certificates: ca.pem has none")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading Docker's certificates: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// getJSON decodes what is at an address.
func getJSON(ctx context.Context, client *http.Client, address string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(to)
}
