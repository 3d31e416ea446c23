package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

func decoded(text string) []byte {
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil // the API server takes nothing else
	}
	return out
}

// operator finds the operator: where it usually is, else by its label.
func (g *gatherer) operator(ctx context.Context) {
	d := new(appsv1.Deployment)
	err := g.client.Get(ctx, client.ObjectKey{Namespace: needs.Namespace, Name: needs.Deployment}, d)
	if apierrors.IsNotFound(err) {
		var list appsv1.DeploymentList
		err = g.client.List(ctx, &list, client.MatchingLabels{v1beta1.LabelName: "opentelemetry-operator"})
		if err == nil && len(list.Items) == 0 {
			return
		}
		if err == nil {
			d = &list.Items[0]
		}
	}
	if g.missed(Operator, "the operator", err) {
		return
	}
	o := &Deployed{Namespace: d.Namespace, Name: d.Name, Ours: d.Labels[install.PartOf] == install.Name, Account: d.Spec.Template.Spec.ServiceAccountName, Port: needs.WebhookPort}
	o.Trouble, o.Pod, _ = g.trouble(ctx, d, nil)
	g.p.Operator = o
	s, err := settings.Deployed(d, g.Version, func(name, key string) (string, error) { return g.configMap(ctx, d.Namespace, name, key) })
	if err != nil {
		o.Warnings = append(o.Warnings, err.Error())
		s = settings.Default(g.Version)
	}
	if s.Webhooks.Port != 0 {
		o.Port = s.Webhooks.Port
	}
	if o.Ours {
		o.Warnings = append(o.Warnings, s.Warnings...)
	}
	g.settings = s
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Secret != nil && (v.Secret.Optional == nil || !*v.Secret.Optional) {
			o.Secret = v.Secret.SecretName
			err := g.client.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: o.Secret}, metadataOf("Secret"))
			o.NoSecret = apierrors.IsNotFound(err)
		}
	}
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		o.Image = containers[0].Image
	}
	o.Values = g.operatorValues(ctx, d, o)
}

func (g *gatherer) configMap(ctx context.Context, namespace, name, key string) (string, error) {
	var c corev1.ConfigMap
	err := g.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &c)
	return c.Data[key], err
}

// valued are the flags that have values of their own.
var valued = map[string]string{
	"--webhook-port=": "", "--watch-namespace=": "", // read apart
	"--collector-image=": "collectorImage", "--target-allocator-image=": "targetAllocatorImage", "--auto-instrumentation-delivery=": "instrumentationDelivery",
}

// usual are the arguments of the operator in an installation without values.
func usual() []string {
	values, err := install.Parse(nil, nil)
	if err != nil {
		return nil // the values of the release are right
	}
	objects, err := install.Objects(values, "")
	if err != nil {
		return nil
	}
	for _, o := range objects {
		if o.GetKind() == "Deployment" && o.GetName() == needs.Deployment {
			containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
			for _, c := range containers {
				return texts(at(c, "args"))
			}
		}
	}
	return nil
}

// operatorValues are the values of an installation, as far as its Deployment
// tells.
func (g *gatherer) operatorValues(ctx context.Context, d *appsv1.Deployment, o *Deployed) []string {
	var all []string
	set := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if n := d.Spec.Replicas; n != nil && *n != 1 {
		set("operator.replicas=%d", *n)
	}
	if o.Port != needs.WebhookPort {
		set("operator.webhookPort=%d", o.Port)
	}
	if d.Spec.Template.Spec.HostNetwork {
		set("operator.hostNetwork=true")
	}
	if o.Secret != "" {
		set("operator.certManager=true")
	}
	var further []string
	without := usual()
	for _, c := range d.Spec.Template.Spec.Containers[:min(1, len(d.Spec.Template.Spec.Containers))] {
		for _, arg := range c.Args {
			if slices.Contains(without, arg) {
				continue
			}
			flag, value, _ := strings.Cut(arg, "=")
			key, known := valued[flag+"="]
			switch {
			case !known:
				further = append(further, arg)
			case key != "":
				set("operator.%s=%s", key, value)
			case flag == "--watch-namespace":
				set("operator.watchNamespaces=[%s]", value)
			}
		}
	}
	if len(further) > 0 {
		set("operator.args=%s", text(further))
	}
	if level := g.p.Namespaces[d.Namespace]["pod-security.kubernetes.io/enforce"]; level != "" && level != "restricted" {
		set("podSecurity=%s", level)
	}
	if _, err := g.configMap(ctx, d.Namespace, needs.DefaultsConfigMap, ""); apierrors.IsNotFound(err) {
		set("collector.enabled=false")
	}
	return all
}

// hooks are the webhooks that are called for our kinds, or are called as ours.
func (g *gatherer) hooks(ctx context.Context) {
	var mutating admissionregistrationv1.MutatingWebhookConfigurationList
	var validating admissionregistrationv1.ValidatingWebhookConfigurationList
	for _, list := range []client.ObjectList{&mutating, &validating} {
		if g.missed(Webhooks, "webhook configurations", g.client.List(ctx, list)) {
			return
		}
	}
	add := func(kind, configuration, name string, c admissionregistrationv1.WebhookClientConfig, rules []admissionregistrationv1.RuleWithOperations, policy *admissionregistrationv1.FailurePolicyType) {
		ours := configuration == needs.MutatingWebhooks || configuration == needs.ValidatingWebhooks
		for _, r := range rules {
			ours = ours || slices.Contains(r.APIGroups, v1beta1.Group)
		}
		if !ours {
			return
		}
		h := Hook{Kind: kind, Configuration: configuration, Name: name, Bundle: c.CABundle, Blocks: policy == nil || *policy == admissionregistrationv1.Fail}
		if c.Service != nil {
			h.Service = types.NamespacedName{Namespace: c.Service.Namespace, Name: c.Service.Name}
			h.NoService = apierrors.IsNotFound(g.client.Get(ctx, h.Service, metadataOf("Service")))
		}
		g.p.Hooks = append(g.p.Hooks, h)
	}
	for _, c := range mutating.Items {
		for _, w := range c.Webhooks {
			add("MutatingWebhookConfiguration", c.Name, w.Name, w.ClientConfig, w.Rules, w.FailurePolicy)
		}
	}
	for _, c := range validating.Items {
		for _, w := range c.Webhooks {
			add("ValidatingWebhookConfiguration", c.Name, w.Name, w.ClientConfig, w.Rules, w.FailurePolicy)
		}
	}
}

// store finds the store beside the operator.
func (g *gatherer) store(ctx context.Context) {
	s := new(appsv1.StatefulSet)
	err := g.client.Get(ctx, client.ObjectKey{Namespace: g.p.home(), Name: install.StoreName}, s)
	if apierrors.IsNotFound(err) {
		if o := g.p.Operator; o != nil && o.Ours {
			o.Values = append(o.Values, "store.enabled=false")
		}
		return
	}
	if g.missed(Store, "the store", err) {
		return
	}
	g.p.Store = &Deployed{Namespace: s.Namespace, Name: s.Name, Ours: true}
	g.p.Store.Trouble, g.p.Store.Pod, _ = g.trouble(ctx, s, nil)
	claims := s.Spec.VolumeClaimTemplates
	if len(claims) == 0 {
		g.p.Store.Values = append(g.p.Store.Values, "store.persistent=false")
	} else if size := claims[0].Spec.Resources.Requests.Storage(); size.String() != "10Gi" {
		g.p.Store.Values = append(g.p.Store.Values, "store.size="+size.String())
	}
	for _, c := range s.Spec.Template.Spec.Containers {
		for _, arg := range c.Args {
			if keep, ok := strings.CutPrefix(arg, "--retention="); ok && keep != "7d" {
				g.p.Store.Values = append(g.p.Store.Values, "store.retention="+keep)
			}
		}
	}
}
