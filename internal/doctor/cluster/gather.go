package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/admission"
	"github.com/signalbox-otel/signalbox/internal/operator/evidence"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/reach"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// Options say which cluster is examined, and what of it.
type Options struct {
	// Config is how the cluster is reached, by whom.
	Config *rest.Config
	// Kubeconfig and Context are those that the user named; commands name them too.
	Kubeconfig, Context string
	// Namespace is that of the workloads.
	Namespace string
	// Metric is the name of one that the user misses; "" when he misses none.
	Metric string
	// Image is that of this release, and Version its number.
	Image, Version string
	// Probe says whether anything may be sent to pods, and one started in the
	// namespace that sends probes; ProbeImage is its image, "" for that of the
	// operator.
	Probe      bool
	ProbeImage string
	// Timeout is how long a probe may take, and how long its pod may take to start.
	Timeout time.Duration
}

// gatherer looks at a cluster.
type gatherer struct {
	Options
	client client.Client
	http   *http.Client
	look   readiness.Look
	// settings are those of the operator, after operator.
	settings settings.Settings
	p        *Picture
}

func newGatherer(o Options) (*gatherer, error) {
	config := rest.CopyConfig(o.Config)
	config.QPS = -1 // a few hundred questions, once
	config.WarningHandler = rest.NoWarnings{}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("making a client: %w", err)
		}
	}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme, HTTPClient: web})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	witness, err := evidence.New(config, web)
	if err != nil {
		return nil, err
	}
	return &gatherer{Options: o, client: c, http: web, look: witness.Look(), settings: settings.Default(o.Version)}, nil
}

// gather makes a picture. What cannot be seen is noted in it; an error is about
// the cluster as a whole.
func (g *gatherer) gather(ctx context.Context) (*Picture, error) {
	g.p = &Picture{
		Now: time.Now(), Namespace: g.Namespace, Metric: g.Metric, Image: g.Image, tools: tools{g.Kubeconfig, g.Context},
		Definitions: map[string]Definition{}, Services: map[types.NamespacedName]Service{}, Namespaces: map[string]map[string]string{},
		Unseen: map[Area][]string{},
	}
	var ns corev1.Namespace
	if err := g.client.Get(ctx, client.ObjectKey{Name: g.Namespace}, &ns); err != nil {
		if apierrors.IsNotFound(err) || !apierrors.IsForbidden(err) {
			return nil, fmt.Errorf("looking at namespace %s: %w", g.Namespace, err)
		}
		g.p.miss(Instrumentation, fmt.Sprintf("the annotations of namespace %s are not for you to see", g.Namespace))
		ns.Name = g.Namespace
	}
	g.p.Meta = ns.ObjectMeta
	for _, step := range []func(context.Context){
		g.namespaces, g.definitions, g.operator, g.hooks, g.certificate, g.paths, g.operatorRights,
		g.store, g.collectors, g.allocators, g.instrumentations, g.workloads, g.services, g.policies, g.scrapes, g.names,
	} {
		step(ctx)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
	}
	return g.p, nil
}

// missed notes why something could not be seen, and reports whether it was.
func (g *gatherer) missed(area Area, what string, err error) bool {
	switch {
	case err == nil:
		return false
	case apierrors.IsForbidden(err):
		g.p.miss(area, what+": you may not see it")
	default:
		g.p.miss(area, fmt.Sprintf("%s: %v", what, err))
	}
	return true
}

func (g *gatherer) namespaces(ctx context.Context) {
	list := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	if err := g.client.List(ctx, &list); err == nil {
		for _, n := range list.Items {
			g.p.Namespaces[n.Name] = n.Labels
		}
		return
	}
	g.p.Namespaces[g.Namespace] = g.p.Meta.Labels
}

func (g *gatherer) definitions(ctx context.Context) {
	crd := func(name string) (*unstructured.Unstructured, error) {
		o := new(unstructured.Unstructured)
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		return o, g.client.Get(ctx, client.ObjectKey{Name: name}, o)
	}
	for _, name := range sortedKeys(wanted()) {
		o, err := crd(name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if g.missed(Definitions, "definition "+name, err) {
			return
		}
		g.p.Definitions[name] = definitionOf(o)
	}
	_, err := crd(needs.Certificates)
	g.p.CertManager = err == nil
}

func definitionOf(o *unstructured.Unstructured) Definition {
	var d Definition
	versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
	for _, v := range versions {
		name, _ := at(v, "name").(string)
		if served, _ := at(v, "served").(bool); served {
			d.Served = append(d.Served, name)
		}
		if stored, _ := at(v, "storage").(bool); stored {
			d.Stored = name
		}
	}
	conversion, _, _ := unstructured.NestedMap(o.Object, "spec", "conversion", "webhook", "clientConfig")
	d.Conversion.Namespace, _ = at(conversion, "service", "namespace").(string)
	d.Conversion.Name, _ = at(conversion, "service", "name").(string)
	bundle, _ := at(conversion, "caBundle").(string)
	d.Bundle = decoded(bundle)
	return d
}

func (g *gatherer) paths(ctx context.Context) {
	gone := func(h Hook) bool { return h.NoService } // which is said, and would be waited for
	if g.p.Operator == nil || len(g.p.Hooks) == 0 || slices.ContainsFunc(g.p.Hooks, gone) {
		return
	}
	for _, r := range reach.Ask(ctx, g.client, g.p.Operator.Namespace, g.p.Operator.Port) {
		g.p.Paths = append(g.p.Paths, Path{r.Path, r.Problem})
	}
}

func (g *gatherer) certificate(ctx context.Context) {
	if g.p.Operator == nil {
		return
	}
	var secret corev1.Secret
	err := g.client.Get(ctx, client.ObjectKey{Namespace: g.p.Operator.Namespace, Name: needs.CertificateSecret}, &secret)
	if apierrors.IsNotFound(err) || g.missed(Webhooks, "the certificate of the operator in Secret "+needs.CertificateSecret, err) {
		return
	}
	g.p.Certificate = Certificate{secret.Data[corev1.TLSCertKey], secret.Data["ca.crt"]}
}

// lacks is what an account may not of rules, in a namespace or everywhere.
func (g *gatherer) lacks(ctx context.Context, account types.NamespacedName, namespace string, rules []rbacv1.PolicyRule) ([]rbacv1.PolicyRule, error) {
	ask := func(ctx context.Context, review *authorizationv1.SubjectAccessReview) error {
		return g.client.Create(ctx, review)
	}
	return admission.Lacks(ctx, ask, account, namespace, rules)
}

func (g *gatherer) operatorRights(ctx context.Context) {
	o := g.p.Operator
	if o == nil || !o.Ours {
		return
	}
	account := types.NamespacedName{Namespace: o.Namespace, Name: o.Account}
	for _, rules := range []struct {
		namespace string
		rules     []rbacv1.PolicyRule
	}{{"", slices.Concat(needs.Rights(), needs.Grants())}, {o.Namespace, needs.NamespaceRights()}} {
		lacks, err := g.lacks(ctx, account, rules.namespace, rules.rules)
		if g.missed(Rights, "what the operator may", err) {
			return
		}
		g.p.OperatorLacks = append(g.p.OperatorLacks, lacks...)
	}
}

// trouble is why a workload is not ready, "" when it is, and its pod to look at.
func (g *gatherer) trouble(ctx context.Context, workload client.Object, err error) (text, pod string, pods []corev1.Pod) {
	if err != nil {
		if apierrors.IsNotFound(err) {
			return "it is not there", "", nil
		}
		return err.Error(), "", nil
	}
	selector := selectorOf(workload)
	var list corev1.PodList
	if selector != nil {
		if err := g.client.List(ctx, &list, client.InNamespace(workload.GetNamespace()), client.MatchingLabelsSelector{Selector: selector}); err != nil {
			return "", "", nil
		}
	}
	j := readiness.Judge(readiness.State{Generation: workload.GetGeneration(), Now: metav1.NewTime(g.p.Now), Workload: workload, Pods: list.Items, Look: g.look})
	ready := meta.FindStatusCondition(j.Conditions, readiness.Ready)
	if ready == nil || ready.Status == metav1.ConditionTrue {
		return "", "", list.Items
	}
	for _, p := range list.Items {
		if !isReady(&p) {
			pod = p.Name
		}
	}
	return ready.Message, pod, list.Items
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// selectorOf selects the pods of a workload; nil for what is none.
func selectorOf(o client.Object) labels.Selector {
	var s *metav1.LabelSelector
	switch o := o.(type) {
	case *appsv1.Deployment:
		s = o.Spec.Selector
	case *appsv1.StatefulSet:
		s = o.Spec.Selector
	case *appsv1.DaemonSet:
		s = o.Spec.Selector
	}
	if s == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil
	}
	return selector
}
