package kube

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every file in conf is filled in whole.
func TestConf(t *testing.T) {
	files, err := confFiles.ReadDir("conf")
	if err != nil {
		t.Fatal(err)
	}
	s := newSettings("/state", "/cni", "overlayfs")
	for _, f := range files {
		content, err := s.fill(f.Name())
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(content), "{{") || strings.Contains(string(content), "no value") {
			t.Errorf("%s is not filled in:\n%s", f.Name(), content)
		}
	}
}

// Each certificate is signed by the authority that its reader trusts, for what it
// is used for.
func TestPKI(t *testing.T) {
	dir := t.TempDir()
	if err := writePKI(dir, []string{nodeIP}); err != nil {
		t.Fatal(err)
	}
	f := func(name, ca, host string, usage x509.ExtKeyUsage) {
		t.Helper()
		pool := x509.NewCertPool()
		text, err := os.ReadFile(filepath.Join(dir, ca+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(text)
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("%s for %q: %v", name, host, err)
		}
	}
	for _, host := range []string{"kubernetes.default.svc", "127.0.0.1", nodeIP, serviceIP} {
		f("apiserver", "ca", host, x509.ExtKeyUsageServerAuth)
	}
	f("kubelet-serving", "ca", nodeName, x509.ExtKeyUsageServerAuth)
	f("kubelet-serving", "ca", nodeIP, x509.ExtKeyUsageServerAuth)
	for _, name := range []string{"admin", "apiserver-kubelet", "kcm", "kubelet", "proxy", "scheduler"} {
		f(name, "ca", "", x509.ExtKeyUsageClientAuth)
	}
	f("front-proxy", "front-proxy-ca", "", x509.ExtKeyUsageClientAuth)
}
