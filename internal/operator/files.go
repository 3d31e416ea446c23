package operator

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// files are a certificate and its key that others renew, such as cert-manager in
// a mounted Secret.
type files struct {
	cert, key string

	mu      sync.Mutex
	looked  time.Time // at the files
	changed time.Time // as the certificate's file says
	pair    *tls.Certificate
}

// lookAfter is the time between two looks at whether the files changed.
const lookAfter = 10 * time.Second

func newFiles(cert, key string) *files { return &files{cert: cert, key: key} }

// Certificate is the pair in the files. While they cannot be read together, it is
// the pair before.
func (f *files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pair != nil && time.Since(f.looked) < lookAfter {
		return f.pair, nil
	}
	pair, err := f.load()
	if pair == nil {
		return nil, fmt.Errorf("reading the certificate %s: %w", f.cert, err)
	}
	f.looked, f.pair = time.Now(), pair
	return pair, nil
}

func (f *files) load() (*tls.Certificate, error) {
	info, err := os.Stat(f.cert)
	if err != nil {
		return f.pair, err
	}
	if f.pair != nil && info.ModTime().Equal(f.changed) {
		return f.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return f.pair, err
	}
	f.changed = info.ModTime()
	return &pair, nil
}

// Ready is nil when there is a certificate.
func (f *files) Ready() error {
	_, err := f.Certificate(nil)
	return err
}
