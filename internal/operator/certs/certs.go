// Package certs makes the certificates of the operator: an authority of its own,
// and what that signs. Webhooks are served with it, and target allocators know
// their collectors by it. Nothing else has to be installed.
//
// All is in one Secret, which every replica reads and any replica may write; the
// API server lets only one write win. Every change is a step from what is in the
// Secret to what should be: a new authority is trusted for an hour before it
// signs, and trusted for a day after it last did, so that at no moment somebody
// meets a certificate whose authority is not known.
//
// Whom the API server trusts is in the caBundles of both webhook configurations
// and of the conversion of collectors. They are kept: when someone overwrites
// them, they are written again.
//
// Invariants: a certificate is served before the Secret is written only when it
// came from there before; keys leave the process only into Secrets; nothing is
// written when nothing changed.
package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const (
	// resync is the longest time between two looks at everything, whether or not
	// a watch tells of changes.
	resync = time.Minute
	// retry is the time to the next attempt after one that was not complete.
	retry = 2 * time.Second
	// certManagerAnnotation is on Secrets that cert-manager keeps.
	certManagerAnnotation = "cert-manager.io/certificate-name"
)

// Config is what an Authority has to know.
type Config struct {
	// REST reaches the API server.
	REST *rest.Config
	// Client reads from the API server, not from a cache.
	Client client.Client
	// Namespace is that of the operator, in which its Secret and Services are.
	Namespace string
	// Publish keeps the caBundles. An operator that answers no webhooks must not:
	// they may belong to another.
	Publish bool
	Logger  *slog.Logger
	// Event tells users; reason is one word.
	Event func(ctx context.Context, kind, reason, message string)
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Authority keeps the certificates. Its methods may be called at any time by any
// goroutine.
type Authority struct {
	Config
	crds *rest.RESTClient
	// material is what was last read from the Secret, or written to it.
	material atomic.Pointer[material]
	// serving is the certificate that is shown.
	serving atomic.Pointer[tls.Certificate]
	changed chan struct{}
	// defined says that the definition of collectors may be another than was seen.
	defined atomic.Bool

	// The rest belongs to Run's goroutine.
	published published
	reported  string // the last problem that was told
	foreign   bool   // cert-manager keeps the Secret
}

// New makes an Authority. Nothing happens before Run.
func New(c Config) (*Authority, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	crds, err := rawClient(c.REST)
	if err != nil {
		return nil, err
	}
	return &Authority{Config: c, crds: crds, changed: make(chan struct{}, 1)}, nil
}

// errNone is the answer while nothing is there to be served.
var errNone = errors.New("no certificate yet")

// Certificate is tls.Config.GetCertificate.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := a.serving.Load(); c != nil {
		return c, nil
	}
	return nil, errNone
}

// Ready is nil when a certificate is there that is still valid.
func (a *Authority) Ready() error {
	c := a.serving.Load()
	if c == nil {
		return errNone
	}
	if now := a.Now(); !now.Before(c.Leaf.NotAfter) {
		return fmt.Errorf("the certificate was valid until %s", c.Leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// Changed makes Run look at everything again at once.
func (a *Authority) Changed() {
	select {
	case a.changed <- struct{}{}:
	default: // one look is due already
	}
}

// Run keeps the certificates until ctx is done. It starts without rights or API
// server too, and says what it lacks.
func (a *Authority) Run(ctx context.Context) {
	go a.watch(ctx)
	for {
		wait := resync
		again, err := a.keep(ctx)
		if ctx.Err() != nil {
			return
		}
		a.report(ctx, err)
		if err != nil || again {
			wait = retry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-a.changed:
			timer.Stop()
		}
	}
}

// report logs a problem when it appears, and when it is over.
func (a *Authority) report(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == a.reported {
		return
	}
	if a.reported = text; err == nil {
		a.Logger.InfoContext(ctx, "certificates are kept again")
		return
	}
	a.Logger.ErrorContext(ctx, "certificates cannot be kept", "error", err)
	a.Event(ctx, corev1.EventTypeWarning, "CertificatesNotKept", text)
}

// keep looks at everything once; again says that another step follows.
func (a *Authority) keep(ctx context.Context) (again bool, err error) {
	secret, err := a.read(ctx)
	if err != nil {
		return false, err
	}
	if a.foreign {
		return false, nil // cert-manager publishes its authority, too
	}
	m := a.material.Load()
	known, err := a.publish(ctx, m)
	if err != nil {
		return false, err
	}
	after, what, err := advance(m, a.Now(), a.names(), known)
	if err != nil {
		return false, fmt.Errorf("making certificates: %w", err)
	}
	if what == stepNone {
		return m.next != nil && !known, nil
	}
	return true, a.write(ctx, secret, after, what)
}

// read takes what is in the Secret, and puts back what is missing from it. The
// Secret is nil when there is none.
func (a *Authority) read(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: needs.CertificateSecret}, secret)
	switch {
	case apierrors.IsNotFound(err):
		secret, err = nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", a.Namespace, needs.CertificateSecret, err)
	}
	a.foreign = secret != nil && secret.Annotations[certManagerAnnotation] != ""
	if a.foreign {
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			return nil, fmt.Errorf("reading the certificate that cert-manager made: %w", err)
		}
		a.serving.Store(&pair)
		return secret, nil
	}
	had := a.material.Load()
	if secret != nil {
		m, err := read(secret.Data)
		if err == nil {
			a.use(m)
			return secret, nil
		}
		a.Logger.WarnContext(ctx, "certificates in the Secret are replaced", "resource", a.Namespace+"/"+needs.CertificateSecret, "error", err)
		a.Event(ctx, corev1.EventTypeWarning, "CertificatesReplaced", fmt.Sprintf("what is in Secret %s is not what the operator wrote: %v", needs.CertificateSecret, err))
	}
	if had == nil || !usable(had.signer.cert, a.Now()) {
		a.material.Store(nil)
		return secret, nil
	}
	after, what, err := restore(had, a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.write(ctx, secret, after, what); err != nil {
		return nil, err
	}
	return a.read(ctx)
}

// use serves from m.
func (a *Authority) use(m *material) {
	a.material.Store(m)
	if now := a.serving.Load(); now == nil || !bytes.Equal(now.Leaf.Raw, m.leaf().Raw) {
		a.serving.Store(m.serving)
	}
}

// write makes the Secret hold m. When another replica was faster, nothing is
// lost: what it wrote is read at the next look.
func (a *Authority) write(ctx context.Context, secret *corev1.Secret, m *material, what step) error {
	data, err := m.data()
	if err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	if secret == nil {
		secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: needs.CertificateSecret, Labels: map[string]string{
				"app.kubernetes.io/name": "opentelemetry-operator", "app.kubernetes.io/managed-by": "opentelemetry-operator",
			}},
			Type: corev1.SecretTypeTLS, Data: data,
		}
		err = a.Client.Create(ctx, secret, client.FieldOwner(needs.FieldOwner))
	} else {
		secret.Data = data
		err = a.Client.Update(ctx, secret, client.FieldOwner(needs.FieldOwner))
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		a.Changed()
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing Secret %s/%s: %w", a.Namespace, needs.CertificateSecret, err)
	}
	a.Logger.InfoContext(ctx, "certificates changed", "reason", string(what), "until", m.leaf().NotAfter)
	return nil
}

// names are those that the operator is called by.
func (a *Authority) names() []string {
	var names []string
	for _, service := range []string{needs.WebhookService, needs.MetricsService} {
		host := service + "." + a.Namespace + ".svc"
		names = append(names, host, service+"."+a.Namespace, host+".cluster.local")
	}
	return append(names, "localhost", "127.0.0.1")
}
