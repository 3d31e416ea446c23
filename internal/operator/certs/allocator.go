package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Keys of the note about an allocator's certificates.
const (
	noteTrusted = "trusted" // fingerprint of the bundle that was written
	noteUntil   = "until"   // when they have to be renewed
	// noteBegun stands for the UID of a Secret that is about to be created.
	noteBegun = "begun"
)

// lookAfter is the longest time between two looks at an allocator's certificates:
// a new authority is announced to it well before it signs.
const lookAfter = announced / 4

// Allocator sees to the certificates by which a target allocator and its
// collectors know each other, in the Secrets that their pods mount, and returns
// when to do so again.
//
// The operator may not read Secrets of users, and so not its own among them
// either. What it wrote is noted in a ConfigMap that belongs to the allocator:
// the UIDs of the Secrets, by which they are renewed and nothing else is, and
// until when they are good.
func (a *Authority) Allocator(ctx context.Context, t *v1alpha1.TargetAllocator) (time.Time, error) {
	m := a.material.Load()
	if m == nil {
		return time.Time{}, errors.New("the operator's own authority is not there yet")
	}
	now := a.Now()
	note, err := a.note(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	trusted := fingerprint(m.bundle())
	until, err := time.Parse(time.RFC3339, note.Data[noteUntil])
	if err == nil && note.Data[noteTrusted] == trusted && now.Before(until) {
		return earlier(until, now.Add(lookAfter)), nil
	}
	service := render.AllocatorName(t)
	host := service + "." + t.Namespace + ".svc"
	names := []string{service, host, host + ".cluster.local"}
	for _, name := range []string{render.ServerCertificate(t.Name), render.ClientCertificate(t.Name)} {
		pair, err := m.signer.sign(now, names)
		if err != nil {
			return time.Time{}, fmt.Errorf("making Secret %s: %w", name, err)
		}
		until = renewal(pair.Leaf)
		if err := a.put(ctx, t, name, m, pair, note); err != nil {
			return time.Time{}, err
		}
	}
	note.Data[noteTrusted], note.Data[noteUntil] = trusted, until.Format(time.RFC3339)
	if err := a.Client.Update(ctx, note, client.FieldOwner(needs.FieldOwner)); err != nil {
		return time.Time{}, fmt.Errorf("noting what is in the Secrets of %s: %w", t.Name, err)
	}
	return earlier(until, now.Add(lookAfter)), nil
}

// note is what is known of an allocator's certificates; it is made when it is not
// there.
func (a *Authority) note(ctx context.Context, t *v1alpha1.TargetAllocator) (*corev1.ConfigMap, error) {
	note := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: t.Namespace, Name: render.CertificateNote(t.Name)}
	err := a.Client.Get(ctx, key, note)
	if apierrors.IsNotFound(err) {
		note = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, OwnerReferences: ownedBy(t)}}
		err = a.Client.Create(ctx, note, client.FieldOwner(needs.FieldOwner))
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is in the Secrets of %s: %w", t.Name, err)
	}
	if !metav1.IsControlledBy(note, t) {
		return nil, fmt.Errorf("ConfigMap %s/%s is not the operator's: give it another name, or the allocator", key.Namespace, key.Name)
	}
	if note.Data == nil {
		note.Data = map[string]string{}
	}
	return note, nil
}

// put writes a Secret: the one that was written before, or a new one.
func (a *Authority) put(ctx context.Context, t *v1alpha1.TargetAllocator, name string, m *material, pair *tls.Certificate, note *corev1.ConfigMap) error {
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return fmt.Errorf("making Secret %s: %w", name, err)
	}
	secret := func() *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: name, OwnerReferences: ownedBy(t)},
			Type:       corev1.SecretTypeTLS,
			Data: map[string][]byte{
				authoritiesKey: m.bundle(), corev1.TLSCertKey: encode(pair.Certificate...),
				corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
			},
		}
	}
	if known := note.Data[name]; known != "" {
		s := secret()
		if known != noteBegun {
			// A precondition: a Secret that a user has put in its place is refused.
			s.UID = types.UID(known)
		}
		err := a.Client.Update(ctx, s, client.FieldOwner(needs.FieldOwner))
		if err == nil {
			note.Data[name] = string(s.UID)
			return nil
		}
		if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("renewing Secret %s/%s: %w", t.Namespace, name, err)
		}
	}
	// Noted before and after, so that it is known for ours when this process ends
	// in between.
	note.Data[name] = noteBegun
	if err := a.Client.Update(ctx, note, client.FieldOwner(needs.FieldOwner)); err != nil {
		return fmt.Errorf("noting Secret %s: %w", name, err)
	}
	s := secret()
	err = a.Client.Create(ctx, s, client.FieldOwner(needs.FieldOwner))
	note.Data[name] = string(s.UID)
	if err != nil {
		delete(note.Data, name)
	}
	if noted := a.Client.Update(ctx, note, client.FieldOwner(needs.FieldOwner)); noted != nil {
		return fmt.Errorf("noting Secret %s: %w", name, noted)
	}
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("Secret %s/%s exists and is not the operator's: name it in spec.mtls.tls to use it, or delete it", t.Namespace, name)
	}
	if err != nil {
		return fmt.Errorf("creating Secret %s/%s: %w", t.Namespace, name, err)
	}
	return nil
}

func ownedBy(t *v1alpha1.TargetAllocator) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(t, v1alpha1.GroupVersion.WithKind("TargetAllocator"))}
}

func fingerprint(bundle []byte) string {
	sum := sha256.Sum256(bundle)
	return hex.EncodeToString(sum[:])
}

func earlier(x, y time.Time) time.Time {
	if x.Before(y) {
		return x
	}
	return y
}
