package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// vault is an API server that lets Secrets be written and not read, and has UIDs.
type vault struct {
	client.Client // of an administrator
	writes        int
	fail          func(o client.Object) error // before a write
}

func newVault(t *testing.T) (*vault, client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	v := &vault{}
	base := fake.NewClientBuilder().WithScheme(scheme).Build()
	v.Client = base
	secrets := schema.GroupResource{Resource: "secrets"}
	uids := 0
	restricted := interceptor.NewClient(base, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, secret := o.(*corev1.Secret); secret {
				return apierrors.NewForbidden(secrets, key.Name, nil)
			}
			return c.Get(ctx, key, o, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if v.fail != nil {
				if err := v.fail(o); err != nil {
					return err
				}
			}
			if _, secret := o.(*corev1.Secret); secret {
				v.writes++
			}
			uids++
			o.SetUID(types.UID(strings.Repeat("u", uids)))
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			if v.fail != nil {
				if err := v.fail(o); err != nil {
					return err
				}
			}
			s, secret := o.(*corev1.Secret)
			if !secret {
				return c.Update(ctx, o, opts...)
			}
			v.writes++
			now := &corev1.Secret{}
			if err := c.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
				return err
			}
			if s.UID != "" && s.UID != now.UID {
				return apierrors.NewConflict(secrets, s.Name, nil)
			}
			s.UID = now.UID
			return c.Update(ctx, s, opts...)
		},
	})
	return v, restricted
}

// both are the certificates of an allocator and its collectors.
func (v *vault) both(t *testing.T) (server, collector tls.Certificate, trusted *x509.CertPool) {
	t.Helper()
	pair := func(name string) tls.Certificate {
		s := &corev1.Secret{}
		if err := v.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, s); err != nil {
			t.Fatal(err)
		}
		p, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"])
		if err != nil {
			t.Fatal(err)
		}
		trusted = x509.NewCertPool()
		trusted.AppendCertsFromPEM(s.Data["ca.crt"])
		return p
	}
	return pair("web-ta-server-cert"), pair("web-ta-client-cert"), trusted
}

// An allocator and its collectors get certificates that they know each other by,
// renewed in time and when an authority is announced, and written only then.
func TestAllocator(t *testing.T) {
	v, c := newVault(t)
	now := testStart
	m, _, err := advance(nil, now, testNames, true)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{Config: Config{Client: c, Namespace: "operator", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }}}
	web := &v1alpha1.TargetAllocator{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web"}}
	if _, err := a.Allocator(t.Context(), web); err == nil {
		t.Error("certificates without an authority")
	}
	a.material.Store(m)
	expect := func(what string, writes int) {
		t.Helper()
		before := v.writes
		again, err := a.Allocator(t.Context(), web)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := v.writes - before; got != writes {
			t.Errorf("%s: got %d writes of Secrets; want %d", what, got, writes)
		}
		if !again.After(now) || again.After(now.Add(announced)) {
			t.Errorf("%s: to be looked at again after %s", what, again.Sub(now))
		}
		server, collector, trusted := v.both(t)
		for _, x := range []struct {
			pair  tls.Certificate
			usage x509.ExtKeyUsage
		}{{server, x509.ExtKeyUsageServerAuth}, {collector, x509.ExtKeyUsageClientAuth}} {
			options := x509.VerifyOptions{Roots: trusted, DNSName: "web-targetallocator", CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x.usage}}
			if _, err := x.pair.Leaf.Verify(options); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	expect("new", 2)
	expect("nothing changed", 0)
	now = now.Add(61 * 24 * time.Hour)
	expect("due", 2)
	if m, _, err = restore(m, now); err != nil {
		t.Fatal(err)
	}
	a.material.Store(m)
	expect("another authority is announced", 2)
	now = now.Add(announced)
	for range 2 { // the serving certificate is due, too, and comes first
		if m, _, err = advance(m, now, testNames, true); err != nil {
			t.Fatal(err)
		}
	}
	a.material.Store(m)
	expect("another authority signs", 2)
	if err := v.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-ta-server-cert"}}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(61 * 24 * time.Hour)
	expect("a Secret was deleted: one attempt to renew it, one to create it", 3)
}

// A Secret of somebody else is left alone; one that was made by a process that
// ended before it could note so is not.
func TestAllocatorLeavesSecrets(t *testing.T) {
	v, c := newVault(t)
	m, _, err := advance(nil, testStart, testNames, true)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{Config: Config{Client: c, Now: func() time.Time { return testStart }}}
	a.material.Store(m)
	web := &v1alpha1.TargetAllocator{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "web"}}
	mine := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-ta-server-cert", UID: "mine"}}
	if err := v.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := a.Allocator(t.Context(), web); err == nil || !strings.Contains(err.Error(), "is not the operator's") {
			t.Errorf("got %v; want that the Secret is not the operator's", err)
		}
	}
	s := &corev1.Secret{}
	if err := v.Get(t.Context(), client.ObjectKeyFromObject(mine), s); err != nil || len(s.Data) > 0 {
		t.Errorf("got %d keys, %v; want a Secret as it was", len(s.Data), err)
	}
	if err := v.Delete(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	// The process ends after each write: all is right in the end.
	for fails := range 20 {
		left := fails
		v.fail = func(client.Object) error {
			if left--; left < 0 {
				return context.Canceled
			}
			return nil
		}
		_, err := a.Allocator(t.Context(), web)
		if err == nil {
			v.both(t)
			return
		}
	}
	t.Error("not done after 20 attempts")
}
