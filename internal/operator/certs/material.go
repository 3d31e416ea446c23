package certs

import (
	"crypto"
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
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	// skew is how far clocks may differ: certificates are valid from that long
	// before they were made.
	skew = time.Hour
	// authorityLife and leafLife are how long certificates are valid. They are
	// replaced when a third of it is left.
	authorityLife = 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// announced is how long a new authority is trusted before it signs: by then
	// everybody who has to trust it knows it, also the pods that find it in a
	// mounted Secret.
	announced = time.Hour
	// overlap is how long an authority is trusted after it last signed.
	overlap = 24 * time.Hour
)

// Keys of the Secret, besides those of corev1.
const (
	authoritiesKey = "ca.crt"
	signerKey      = "ca.key"
	nextKey        = "next-ca.key"
)

// authority is a certificate that signs others. Its key is nil when it is only
// trusted.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// material is all that is in the Secret. It is not changed once it is shared.
type material struct {
	// signer signs, next is trusted already and will sign, former have signed.
	// Only signer is always there.
	signer, next *authority
	former       []*x509.Certificate
	serving      *tls.Certificate
}

// read takes the material out of a Secret. What is wrong with it is the error.
func read(data map[string][]byte) (*material, error) {
	trusted, err := parseCertificates(data[authoritiesKey])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", authoritiesKey, err)
	}
	m := &material{}
	if m.signer, err = match(trusted, data[signerKey]); err != nil {
		return nil, fmt.Errorf("reading %s: %w", signerKey, err)
	}
	if len(data[nextKey]) > 0 {
		if m.next, err = match(trusted, data[nextKey]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", nextKey, err)
		}
	}
	for _, c := range trusted {
		if c.Equal(m.signer.cert) || m.next != nil && c.Equal(m.next.cert) {
			continue
		}
		m.former = append(m.former, c)
	}
	pair, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("reading %s and %s: %w", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, err)
	}
	m.serving = &pair
	return m, nil
}

// data is the material as the Secret has it.
func (m *material) data() (map[string][]byte, error) {
	key := func(k crypto.PrivateKey) ([]byte, error) {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	}
	signer, err := key(m.signer.key)
	if err != nil {
		return nil, err
	}
	serving, err := key(m.serving.PrivateKey)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{
		authoritiesKey: m.bundle(), signerKey: signer,
		corev1.TLSCertKey: encode(m.serving.Certificate...), corev1.TLSPrivateKeyKey: serving,
	}
	if m.next != nil {
		if data[nextKey], err = key(m.next.key); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// bundle are the certificates of all authorities that are trusted.
func (m *material) bundle() []byte {
	all := [][]byte{m.signer.cert.Raw}
	if m.next != nil {
		all = append(all, m.next.cert.Raw)
	}
	for _, c := range m.former {
		all = append(all, c.Raw)
	}
	return encode(all...)
}

// step says what is done with the material at a time; the texts are for logs.
type step string

const (
	stepNone     step = ""
	stepRestore  step = "what this process serves is written again, with a new authority"
	stepNew      step = "all is new"
	stepAnnounce step = "a new authority is trusted"
	stepPromote  step = "the new authority signs"
	stepServing  step = "the serving certificate is new"
	stepForget   step = "an authority that no longer signs is forgotten"
)

// advance returns the material that should be after m, which may be nil, at a
// time; known says that all who have to trust its authorities do. One step is
// taken at a time, so that each is known before the next.
func advance(m *material, now time.Time, names []string, known bool) (*material, step, error) {
	if m == nil || !usable(m.signer.cert, now) {
		signer, err := newAuthority(now)
		if err != nil {
			return nil, stepNone, err
		}
		fresh := &material{signer: signer}
		return fresh, stepNew, fresh.serve(now, names)
	}
	after := *m
	switch {
	case !m.serves(now, names):
		return &after, stepServing, after.serve(now, names)
	case m.next == nil && due(m.signer.cert, now):
		next, err := newAuthority(now)
		after.next = next
		return &after, stepAnnounce, err
	case m.next != nil && known && !now.Before(made(m.next.cert).Add(announced)):
		after.former = append(slices.Clone(m.former), m.signer.cert)
		after.signer, after.next = m.next, nil
		return &after, stepPromote, after.serve(now, names)
	}
	after.former = slices.DeleteFunc(slices.Clone(m.former), func(c *x509.Certificate) bool {
		return !usable(c, now) || !now.Before(made(m.leaf()).Add(overlap))
	})
	if len(after.former) < len(m.former) {
		return &after, stepForget, nil
	}
	return m, stepNone, nil
}

// restore is what is written when the Secret is gone or damaged and this process
// still has m: nothing that is trusted or served ends at once, and a new
// authority is on its way. Who wants new keys deletes the Secret.
func restore(m *material, now time.Time) (*material, step, error) {
	after := *m
	if after.next != nil {
		return &after, stepRestore, nil
	}
	next, err := newAuthority(now)
	after.next = next
	return &after, stepRestore, err
}

// leaf is the serving certificate.
func (m *material) leaf() *x509.Certificate { return m.serving.Leaf }

// serves reports whether the serving certificate is right for these names, and
// not due.
func (m *material) serves(now time.Time, names []string) bool {
	leaf := m.leaf()
	if due(leaf, now) || leaf.CheckSignatureFrom(m.signer.cert) != nil {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return leaf.VerifyHostname(n) != nil })
}

// serve makes a new serving certificate.
func (m *material) serve(now time.Time, names []string) error {
	pair, err := m.signer.sign(now, names)
	if err != nil {
		return err
	}
	m.serving = pair
	return nil
}

// made is when a certificate of ours was made.
func made(c *x509.Certificate) time.Time { return c.NotBefore.Add(skew) }

func usable(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && now.Before(c.NotAfter)
}

// renewal is when a certificate should be replaced.
func renewal(c *x509.Certificate) time.Time {
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3)
}

// due reports whether it is time to replace a certificate.
func due(c *x509.Certificate, now time.Time) bool {
	return !usable(c, now) || !now.Before(renewal(c))
}

// newAuthority makes an authority that trusts itself.
func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// Names of authorities differ, so that who verifies tries the right one.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("signalbox-operator-ca-%x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-skew).Truncate(time.Second),
		NotAfter:              now.Add(authorityLife).Truncate(time.Second),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key}, err
}

// sign makes a certificate for names and addresses, with which both sides of a
// connection can show who they are.
func (a *authority) sign(now time.Time, names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    now.Add(-skew).Truncate(time.Second),
		NotAfter:     now.Add(leafLife).Truncate(time.Second),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if len(names[0]) > 64 {
		template.Subject.CommonName = "" // longer than the standard allows; the names are what counts
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return serial.SetBit(serial, 126, 1), nil // of one length, never short
}

func encode(ders ...[]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return all, nil
}

// match finds the authority that a key belongs to.
func match(trusted []*x509.Certificate, text []byte) (*authority, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("a key of another kind than ours")
	}
	for _, c := range trusted {
		if c.IsCA && key.PublicKey.Equal(c.PublicKey) {
			return &authority{c, key}, nil
		}
	}
	return nil, errors.New("a key that belongs to no authority in " + authoritiesKey)
}
