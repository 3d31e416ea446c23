package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, now time.Time) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := authority{t: t, key: key, cert: template}
	if a.cert, err = x509.ParseCertificate(a.sign(template)); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a authority) sign(template *x509.Certificate) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// serving is a certificate for a name, in PEM.
func (a authority) serving(name string, until time.Time) []byte {
	a.t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})})
}

func (a authority) bundle() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Certificates are good when the API server trusts them, for the Service that it
// calls.
func TestCertificates(t *testing.T) {
	p := healthy(t)
	ours, others := newAuthority(t, p.Now), newAuthority(t, p.Now)
	name := needs.WebhookService + "." + needs.Namespace + ".svc"
	month := p.Now.Add(30 * 24 * time.Hour)
	f := func(what string, serving, bundle []byte, status doctor.Status, text string) {
		t.Helper()
		p := healthy(t)
		p.Certificate.Serving = serving
		for i := range p.Hooks {
			p.Hooks[i].Bundle = bundle
		}
		d := p.Definitions[needs.CollectorCRD]
		d.Bundle = bundle
		p.Definitions[needs.CollectorCRD] = d
		found := certificates(p)
		switch {
		case status == doctor.OK && len(found) == 0:
		case len(found) == 0 || found[0].Status != status || !strings.Contains(found[0].Text, text) || !strings.Contains(found[0].Fix, "kubectl rollout restart -n "+needs.Namespace):
			t.Errorf("%s: got %+v; want %s, %s", what, found, status, text)
		}
	}
	f("all is well", ours.serving(name, month), ours.bundle(), doctor.OK, "")
	f("two authorities while one follows the other", ours.serving(name, month), append(others.bundle(), ours.bundle()...), doctor.OK, "")
	f("expired", ours.serving(name, p.Now.Add(-time.Hour)), ours.bundle(), doctor.Error, "is expired since 2026-11-20 11:00")
	f("soon expired", ours.serving(name, p.Now.Add(48*time.Hour)), ours.bundle(), doctor.Warning, "expires in 48h0m0s")
	f("another authority", ours.serving(name, month), others.bundle(), doctor.Error, "its caBundle is not of the operator's authority")
	f("no authority", ours.serving(name, month), nil, doctor.Error, "it has no caBundle")
	f("another name", ours.serving("webhook.otel.svc", month), ours.bundle(), doctor.Error, "not "+name)

	// Whom another Service shows its certificate is not our concern.
	p.Certificate.Serving = ours.serving(name, month)
	for i := range p.Hooks {
		p.Hooks[i].Service, p.Hooks[i].Bundle = types.NamespacedName{Namespace: "otel", Name: "other"}, others.bundle()
	}
	d := p.Definitions[needs.CollectorCRD]
	d.Bundle = ours.bundle()
	p.Definitions[needs.CollectorCRD] = d
	if found := certificates(p); len(found) > 0 {
		t.Errorf("got %+v; want nothing", found)
	}
}
