package operator

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// clock is the time by which two replicas keep certificates.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.nanos.Load()) }
func (c *clock) set(t time.Time)     { c.nanos.Store(t.UnixNano()) }
func (c *clock) add(d time.Duration) { c.nanos.Add(int64(d)) }

// load admits resources all the time, by as many callers, and counts.
type load struct {
	done, failed atomic.Int64
	all          sync.WaitGroup
}

func (l *load) start(ctx context.Context, t *testing.T, c client.Client, callers int) {
	for caller := range callers {
		l.all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				i := &v1alpha1.Instrumentation{}
				i.Namespace, i.Name = "default", fmt.Sprintf("load-%d-%d", caller, n)
				err := c.Create(ctx, i, client.DryRunAll)
				if ctx.Err() != nil {
					return
				}
				l.done.Add(1)
				if err != nil && l.failed.Add(1) < 5 {
					t.Errorf("admission failed: %v", err)
				}
			}
		})
	}
}

// more waits for as many more admissions: hours pass on the operator's clock only,
// and the API server notices a new caBundle in its own time.
func (l *load) more(c *light, n int64) {
	c.t.Helper()
	want := l.done.Load() + n
	c.eventually("more admissions", func() error {
		if got := l.done.Load(); got < want {
			return fmt.Errorf("got %d; want %d", got, want)
		}
		return nil
	})
}

// secret is the Secret with the certificates.
func (c *light) secret() (*corev1.Secret, error) {
	s := &corev1.Secret{}
	return s, c.admin.Get(c.ctx, client.ObjectKey{Namespace: needs.Namespace, Name: needs.CertificateSecret}, s)
}

// authorities counts the authorities in the Secret, once the API server trusts
// all of them.
func (c *light) authorities(want int) error {
	s, err := c.secret()
	if err != nil {
		return err
	}
	count := 0
	for rest := s.Data["ca.crt"]; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
	}
	if count != want {
		return fmt.Errorf("got %d authorities; want %d", count, want)
	}
	hooks := &admissionv1.ValidatingWebhookConfiguration{}
	if err := c.admin.Get(c.ctx, client.ObjectKey{Name: needs.ValidatingWebhooks}, hooks); err != nil {
		return err
	}
	for _, h := range hooks.Webhooks {
		if !bytes.Equal(h.ClientConfig.CABundle, s.Data["ca.crt"]) {
			return fmt.Errorf("the caBundle of %s is another", h.Name)
		}
	}
	return nil
}

// serves waits, while minutes pass, for the replica to show another certificate
// than one, which it returns.
func (c *light) serves(op *Operator, now *clock, other *x509.Certificate) *x509.Certificate {
	c.t.Helper()
	var leaf *x509.Certificate
	c.eventually("another certificate", func() error {
		if other != nil {
			now.add(time.Minute)
			op.certs.Changed()
		}
		pair, err := op.certs.Certificate(nil)
		if err == nil {
			leaf = pair.Leaf
			if other != nil && leaf.Equal(other) {
				err = errors.New("still the same")
			}
		}
		return err
	})
	return leaf
}

// While resources are admitted all the time, certificate and authority are
// replaced, the Secret is deleted, damaged, and caBundles are overwritten. No
// admission fails.
func TestRotation(t *testing.T) {
	c := startLight(t)
	start := time.Now()
	now := &clock{}
	now.set(start.Add(-70 * 24 * time.Hour))
	op := c.operator(func(o *Options) {
		o.Now, o.Settings.SelfTest = now.now, 0
	})
	// Every admission is a connection of its own, and proves the certificate.
	op.servers.webhooks.http.SetKeepAlivesEnabled(false)
	c.install(op.WebhookAddress())
	c.run(op)
	c.eventually("admission", func() error {
		out, err := c.Kubectl(c.ctx, instrumentation("first"), "apply", "-f", "-")
		if err != nil {
			return errors.New(out)
		}
		return nil
	})
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	var l load
	l.start(ctx, t, c.admin, 8)

	// The certificate is due after 60 days.
	leaf := c.serves(op, now, nil)
	now.set(start.Add(-9 * 24 * time.Hour))
	op.certs.Changed()
	leaf = c.serves(op, now, leaf)

	// Who deletes the Secret wants new keys: they come in steps.
	c.kubectl("", "delete", "secret", "-n", needs.Namespace, needs.CertificateSecret)
	c.eventually("a second authority", func() error { return c.authorities(2) })
	l.more(c, 400)
	now.add(2 * time.Hour)
	op.certs.Changed()
	leaf = c.serves(op, now, leaf)
	l.more(c, 400)
	now.add(25 * time.Hour)
	op.certs.Changed()
	c.eventually("the first authority is forgotten", func() error { return c.authorities(1) })

	// What somebody else writes into the Secret is replaced.
	c.kubectl("", "patch", "secret", "-n", needs.Namespace, needs.CertificateSecret, "-p", `{"data":{"tls.crt":"bm9uc2Vuc2U="}}`)
	c.eventually("a second authority", func() error { return c.authorities(2) })
	l.more(c, 400)
	stop()
	l.all.Wait()
	if !c.serves(op, now, nil).Equal(leaf) {
		t.Error("damage in the Secret has changed what is served")
	}
	t.Logf("%d admissions, %d failed", l.done.Load(), l.failed.Load())
	// Overwritten caBundles come back; until then the API server trusts nobody.
	c.kubectl("", "patch", "validatingwebhookconfiguration", needs.ValidatingWebhooks, "--type=json", "-p",
		`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`)
	c.eventually("a repaired caBundle", func() error { return c.authorities(2) })
}
