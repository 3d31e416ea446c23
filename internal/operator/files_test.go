package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writePair writes a certificate with a serial number, as of a time.
func writePair(t *testing.T, dir string, serial int64, at time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that somebody else renews is shown when it is complete; until
// then the one before is.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	f := newFiles(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err := f.Ready(); err == nil {
		t.Error("ready without files")
	}
	shows := func(want int64) {
		t.Helper()
		f.looked = time.Time{} // long ago
		pair, err := f.Certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := pair.Leaf.SerialNumber.Int64(); got != want {
			t.Errorf("got certificate %d; want %d", got, want)
		}
	}
	begin := time.Now().Add(-time.Hour)
	writePair(t, dir, 1, begin)
	shows(1)
	if err := os.WriteFile(f.cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows(1)
	writePair(t, dir, 2, begin.Add(time.Minute))
	shows(2)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	shows(2)
}
