package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// rotate brings the time near at which the operator changes its authority and its
// serving certificate: the Secret says that a new authority was announced two
// hours ago. The rest is the operator's: it lets the API server know of the new
// one, and then signs with it. rotate returns when that is served.
func (b *bench) rotate(ctx context.Context) error {
	const name = "signalbox-operator-ca-next"
	cert, key, err := newAuthority(name)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{}
	if err := b.client.Get(ctx, client.ObjectKey{Namespace: needs.Namespace, Name: needs.CertificateSecret}, secret); err != nil {
		return err
	}
	secret.Data["ca.crt"] = slices.Concat(secret.Data["ca.crt"], cert)
	secret.Data["next-ca.key"] = key
	if err := b.client.Update(ctx, secret); err != nil {
		return err
	}
	began := time.Now()
	err = poll(ctx, 3*time.Minute, "the new certificate", func(ctx context.Context) error {
		conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", b.ports.webhooks))
		if err != nil {
			return err
		}
		defer conn.Close()
		served := conn.(*tls.Conn).ConnectionState().PeerCertificates
		if len(served) == 0 || served[0].Issuer.CommonName != name {
			return errors.New("it is the old one")
		}
		return nil
	})
	progress("  a certificate of another authority was served after %.1f s", time.Since(began).Seconds())
	return err
}

// newAuthority makes an authority that is three hours old, as PEM. Those of the
// operator are valid from an hour before they were made.
func newAuthority(name string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	from := time.Now().Add(-3 * time.Hour)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: from.Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:     true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), err
}
