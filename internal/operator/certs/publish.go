package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// settle is how long API servers have to notice a new caBundle before something
// is shown that only it trusts. They watch the objects, and take milliseconds.
const settle = 30 * time.Second

// published is what this process knows of the caBundles.
type published struct {
	bundle []byte
	since  time.Time // when all were seen to have it
	// conversion is when that of the definition of collectors was last seen to.
	conversion time.Time
}

// reread is the longest time between two looks at the definition of collectors: it
// is a megabyte, and a watch says when it changed.
const reread = 10 * time.Minute

const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + needs.CollectorCRD

// publish makes the API server trust the authorities of m, and reports whether
// it has known them for long enough.
func (a *Authority) publish(ctx context.Context, m *material) (known bool, err error) {
	if m == nil {
		return false, nil
	}
	bundle := m.bundle()
	writes := []func(context.Context, []byte) error{a.publishMutating, a.publishValidating}
	same := bytes.Equal(a.published.bundle, bundle)
	if a.defined.Swap(false) || !same || a.Now().Sub(a.published.conversion) >= reread {
		writes = append(writes, a.publishConversion)
	}
	if !a.Publish {
		writes = nil
	}
	for _, write := range writes {
		if err := write(ctx, bundle); err != nil {
			a.published = published{}
			return false, err
		}
	}
	if !same {
		a.published = published{bundle: bundle, since: a.Now()}
	}
	if len(writes) > 2 {
		a.published.conversion = a.Now()
	}
	return a.Now().Sub(a.published.since) >= settle, nil
}

func (a *Authority) publishMutating(ctx context.Context, bundle []byte) error {
	c := &admissionv1.MutatingWebhookConfiguration{}
	return a.publishWebhooks(ctx, needs.MutatingWebhooks, c, bundle, func() (all []hook) {
		for _, w := range c.Webhooks {
			all = append(all, hook{w.Name, w.ClientConfig.CABundle})
		}
		return all
	})
}

func (a *Authority) publishValidating(ctx context.Context, bundle []byte) error {
	c := &admissionv1.ValidatingWebhookConfiguration{}
	return a.publishWebhooks(ctx, needs.ValidatingWebhooks, c, bundle, func() (all []hook) {
		for _, w := range c.Webhooks {
			all = append(all, hook{w.Name, w.ClientConfig.CABundle})
		}
		return all
	})
}

// hook is a webhook in a configuration and whom it trusts.
type hook struct {
	name   string
	bundle []byte
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// publishWebhooks writes the bundle into the webhooks of ours in a configuration;
// hooks lists what was read into it.
func (a *Authority) publishWebhooks(ctx context.Context, name string, c client.Object, bundle []byte, hooks func() []hook) error {
	err := a.Client.Get(ctx, client.ObjectKey{Name: name}, c)
	if apierrors.IsNotFound(err) {
		return nil // nobody is sent to us
	}
	if err != nil {
		return fmt.Errorf("reading webhook configuration %s: %w", name, err)
	}
	ours := map[string]bool{}
	for _, w := range needs.Webhooks() {
		ours[w.Name] = true
	}
	var ops []operation
	for i, h := range hooks() {
		if !ours[h.name] || bytes.Equal(h.bundle, bundle) {
			continue
		}
		// The test holds the place: others may have changed the list since.
		at := fmt.Sprintf("/webhooks/%d", i)
		ops = append(ops, operation{"test", at + "/name", h.name}, operation{"add", at + "/clientConfig/caBundle", bundle})
	}
	if ops == nil {
		return nil
	}
	patch, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	if err := a.Client.Patch(ctx, c, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(needs.FieldOwner)); err != nil {
		return fmt.Errorf("writing the caBundle of webhook configuration %s: %w", name, err)
	}
	a.Logger.InfoContext(ctx, "authorities published", "resource", name)
	return nil
}

// publishConversion writes the bundle into the conversion of collectors. Only
// that is decoded: the definition as a whole is a megabyte.
func (a *Authority) publishConversion(ctx context.Context, bundle []byte) error {
	body, err := a.crds.Get().AbsPath(crdPath).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the definition of collectors: %w", err)
	}
	var crd struct {
		Spec struct {
			Conversion struct {
				Strategy string `json:"strategy"`
				Webhook  struct {
					ClientConfig struct {
						CABundle []byte `json:"caBundle"`
					} `json:"clientConfig"`
				} `json:"webhook"`
			} `json:"conversion"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(body, &crd); err != nil {
		return fmt.Errorf("reading the definition of collectors: %w", err)
	}
	c := crd.Spec.Conversion
	if c.Strategy != "Webhook" || bytes.Equal(c.Webhook.ClientConfig.CABundle, bundle) {
		return nil
	}
	const at = "/spec/conversion"
	patch, err := json.Marshal([]operation{{"test", at + "/strategy", "Webhook"}, {"add", at + "/webhook/clientConfig/caBundle", bundle}})
	if err != nil {
		return err
	}
	err = a.crds.Patch(types.JSONPatchType).AbsPath(crdPath).Param("fieldManager", needs.FieldOwner).Body(patch).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("writing the caBundle of the definition of collectors: %w", err)
	}
	a.Logger.InfoContext(ctx, "authorities published", "resource", needs.CollectorCRD)
	return nil
}

// rawClient reaches the API server without decoding its answers.
func rawClient(config *rest.Config) (*rest.RESTClient, error) {
	c := rest.CopyConfig(config)
	c.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	c.GroupVersion = &schema.GroupVersion{}
	return rest.UnversionedRESTClientFor(c)
}

// watch calls Changed when something was changed that Run keeps, until ctx is
// done. Without an API server it cannot begin, and tries again.
func (a *Authority) watch(ctx context.Context) {
	for {
		err := a.watchOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		a.Logger.WarnContext(ctx, "certificates are looked at each minute only", "error", err, "after", resync)
		select {
		case <-ctx.Done():
			return
		case <-time.After(resync):
		}
	}
}

// watchOnce watches the metadata of the objects. What they hold is not kept in
// memory.
func (a *Authority) watchOnce(ctx context.Context) error {
	named := func(group, kind, name string) client.Object {
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
		m.SetName(name)
		return m
	}
	objects := []client.Object{
		named("", "Secret", needs.CertificateSecret),
		named("admissionregistration.k8s.io", "MutatingWebhookConfiguration", needs.MutatingWebhooks),
		named("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", needs.ValidatingWebhooks),
		named("apiextensions.k8s.io", "CustomResourceDefinition", needs.CollectorCRD),
	}
	by := map[client.Object]cache.ByObject{}
	for i, o := range objects {
		only := cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", o.GetName())}
		if i == 0 {
			only.Namespaces = map[string]cache.Config{a.Namespace: {}}
		}
		by[o] = only
	}
	c, err := cache.New(a.REST, cache.Options{Scheme: a.Client.Scheme(), Mapper: a.Client.RESTMapper(), ByObject: by})
	if err != nil {
		return err
	}
	changed := func(o any) {
		if m, ok := o.(*metav1.PartialObjectMetadata); ok && m.Name == needs.CollectorCRD {
			a.defined.Store(true)
		}
		a.Changed()
	}
	for _, o := range objects {
		informer, err := c.GetInformer(ctx, o, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
				AddFunc: changed, DeleteFunc: changed, UpdateFunc: func(_, o any) { changed(o) },
			})
		}
		if err != nil {
			return fmt.Errorf("watching %s: %w", o.GetName(), err)
		}
	}
	return c.Start(ctx)
}
