package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is how long certificates last. A cluster lives for hours; only a
// clock that jumps could need more.
const validity = 365 * 24 * time.Hour

// leaf is one certificate that a cluster needs.
type leaf struct {
	name         string // of its files
	organization string // the group that Kubernetes sees
	commonName   string // the user that Kubernetes sees
	server       bool   // else for clients
	hosts        []string
}

// writePKI makes the cluster's authorities, keys and certificates in dir.
// hosts are the further names and addresses that the API server answers to.
func writePKI(dir string, hosts []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ca, err := newAuthority(dir, "ca", "kubernetes-ca")
	if err != nil {
		return err
	}
	proxy, err := newAuthority(dir, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := writeServiceAccountKey(dir); err != nil {
		return err
	}
	apiserver := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", serviceIP,
	}, hosts...)
	kubelet := append([]string{nodeName, "127.0.0.1"}, hosts...)
	for _, l := range []leaf{
		{name: "apiserver", commonName: "kube-apiserver", server: true, hosts: apiserver},
		{name: "apiserver-kubelet", organization: "system:masters", commonName: "kube-apiserver-kubelet-client"},
		{name: "admin", organization: "system:masters", commonName: "admin"},
		{name: "kcm", commonName: "system:kube-controller-manager"},
		{name: "scheduler", commonName: "system:kube-scheduler"},
		{name: "proxy", commonName: "system:kube-proxy"},
		{name: "kubelet", organization: "system:nodes", commonName: "system:node:" + nodeName},
		{name: "kubelet-serving", organization: "system:nodes", commonName: "system:node:" + nodeName, server: true, hosts: kubelet},
	} {
		if err := ca.issue(dir, l); err != nil {
			return err
		}
	}
	return proxy.issue(dir, leaf{name: "front-proxy", commonName: "front-proxy-client"})
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes an authority that signs itself, and writes it to dir.
func newAuthority(dir, name, commonName string) (*authority, error) {
	template, err := newTemplate(leaf{commonName: commonName})
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = nil
	a := &authority{}
	if a.key, err = newKey(dir, name); err != nil {
		return nil, err
	}
	a.cert = template
	der, err := a.sign(dir, name, template, &a.key.PublicKey)
	if err != nil {
		return nil, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

// issue makes a key and a certificate, and writes them to dir.
func (a *authority) issue(dir string, l leaf) error {
	template, err := newTemplate(l)
	if err != nil {
		return err
	}
	key, err := newKey(dir, l.name)
	if err != nil {
		return err
	}
	_, err = a.sign(dir, l.name, template, &key.PublicKey)
	return err
}

func (a *authority) sign(dir, name string, template *x509.Certificate, public *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate %s: %w", name, err)
	}
	return der, writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
}

func newTemplate(l leaf) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: l.commonName},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if l.organization != "" {
		t.Subject.Organization = []string{l.organization}
	}
	if l.server {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, h := range l.hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return t, nil
}

// newKey makes a private key and writes it to dir.
func newKey(dir, name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(filepath.Join(dir, name+".key"), "EC PRIVATE KEY", der)
}

// writeServiceAccountKey makes the pair that signs and verifies the tokens of
// service accounts.
func writeServiceAccountKey(dir string) error {
	key, err := newKey(dir, "sa")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
