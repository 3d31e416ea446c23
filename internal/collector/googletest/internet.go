package googletest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Internet is what a collector finds behind its proxy: Google, with certificates
// that it trusts.
type Internet struct {
	Google *Google
	Proxy  string // URL, for HTTPS_PROXY
	Roots  string // file of certificates, for SSL_CERT_FILE
	mu     sync.Mutex
	hosts  map[string]bool // that were asked for
}

// StartInternet serves until the test ends.
func StartInternet(t *testing.T) *Internet {
	t.Helper()
	certificate, roots := certificateFor(t, "*.googleapis.com")
	in := &Internet{Roots: roots, hosts: map[string]bool{}}
	in.Google = Start(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
	})))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !strings.HasSuffix(r.Host, ".googleapis.com:443") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in.mu.Lock()
		in.hosts[r.Host] = true
		in.mu.Unlock()
		in.tunnel(t, w)
	}))
	t.Cleanup(proxy.Close)
	in.Proxy = proxy.URL
	return in
}

// tunnel joins a connection to the proxy with one to Google.
func (in *Internet) tunnel(t *testing.T, w http.ResponseWriter) {
	to, err := net.Dial("tcp", in.Google.Addr)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, buffered)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
	from.Close()
}

// Asked gives the hosts that were asked for, with ports.
func (in *Internet) Asked() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Sorted(maps.Keys(in.hosts))
}

// certificateFor makes a certificate for a name, and a file of the authority
// that signed it.
func certificateFor(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
