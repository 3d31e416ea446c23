package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// metadataOf is an object of the core API of which only the metadata is read.
func metadataOf(kind string) *metav1.PartialObjectMetadata {
	m := new(metav1.PartialObjectMetadata)
	m.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: kind})
	return m
}

// list lists a kind everywhere, or, for those who may not, in the namespaces
// examined.
func (g *gatherer) list(ctx context.Context, area Area, what string, list client.ObjectList) bool {
	err := g.client.List(ctx, list)
	if apierrors.IsForbidden(err) {
		g.p.miss(area, fmt.Sprintf("%s outside of namespace %s: you may not see them", what, g.Namespace))
		err = g.client.List(ctx, list, client.InNamespace(g.Namespace))
	}
	if meta.IsNoMatchError(err) {
		return false // the definitions say so
	}
	return !g.missed(area, what, err)
}

// maxCollectors is how many collectors are looked at.
const maxCollectors = 50

func (g *gatherer) collectors(ctx context.Context) {
	var list v1beta1.OpenTelemetryCollectorList
	if !g.list(ctx, Collectors, "collectors", &list) {
		return
	}
	near := func(c *v1beta1.OpenTelemetryCollector) int {
		return slices.Index([]string{g.p.home(), g.Namespace}, c.Namespace) // -1 is far
	}
	slices.SortStableFunc(list.Items, func(a, b v1beta1.OpenTelemetryCollector) int { return cmp.Compare(near(&b), near(&a)) })
	if more := len(list.Items) - maxCollectors; more > 0 {
		g.p.miss(Collectors, fmt.Sprintf("%d of %d collectors: only %d are looked at", more, len(list.Items), maxCollectors))
		list.Items = list.Items[:maxCollectors]
	}
	for i := range list.Items {
		g.p.Collectors = append(g.p.Collectors, g.collector(ctx, &list.Items[i]))
	}
}

func (g *gatherer) collector(ctx context.Context, cr *v1beta1.OpenTelemetryCollector) Collector {
	c := Collector{CR: cr, Account: cmp.Or(cr.Spec.ServiceAccount, render.CollectorName(cr))}
	facts := g.settings.Facts()
	facts.RBAC = true // so that the plan says which rights are needed
	var err error
	if c.Plan, err = render.Collector(cr, facts); err != nil {
		c.Err = err.Error()
		return c
	}
	if c.Config, err = render.Configuration(cr, facts); err != nil {
		c.Err = err.Error()
		return c
	}
	for _, name := range secretsOf(&cr.Spec) {
		if apierrors.IsNotFound(g.client.Get(ctx, client.ObjectKey{Namespace: cr.Namespace, Name: name}, metadataOf("Secret"))) {
			c.NoSecrets = append(c.NoSecrets, name)
		}
	}
	if cr.Spec.Mode == v1beta1.ModeSidecar {
		c.AccountMeta = new(metav1.ObjectMeta) // that of the pods
		return c
	}
	account := metadataOf("ServiceAccount")
	switch err := g.client.Get(ctx, client.ObjectKey{Namespace: cr.Namespace, Name: c.Account}, account); {
	case err == nil:
		c.AccountMeta = &account.ObjectMeta
	case !apierrors.IsNotFound(err):
		c.AccountMeta = new(metav1.ObjectMeta)
	}
	for _, grant := range c.Plan.Grants() {
		if grant.Account != c.Account {
			continue
		}
		lacks, err := g.lacks(ctx, types.NamespacedName{Namespace: cr.Namespace, Name: c.Account}, grant.Namespace, grant.Rules)
		if g.missed(Rights, fmt.Sprintf("what collector %s/%s may", cr.Namespace, cr.Name), err) {
			break
		}
		c.Lacks = append(c.Lacks, lacks...)
	}
	c.Trouble, c.Pod, c.Pods = g.workloadOf(ctx, cr)
	return c
}

// workloadOf is how the workload of a collector fares.
func (g *gatherer) workloadOf(ctx context.Context, cr *v1beta1.OpenTelemetryCollector) (trouble, pod string, pods []corev1.Pod) {
	var o client.Object
	switch cr.Spec.Mode {
	case v1beta1.ModeDaemonSet:
		o = new(appsv1.DaemonSet)
	case v1beta1.ModeStatefulSet:
		o = new(appsv1.StatefulSet)
	default:
		o = new(appsv1.Deployment)
	}
	err := g.client.Get(ctx, client.ObjectKey{Namespace: cr.Namespace, Name: render.CollectorName(cr)}, o)
	return g.trouble(ctx, o, err)
}

// secretsOf are the Secrets that a collector cannot start without.
func secretsOf(spec *v1beta1.OpenTelemetryCollectorSpec) []string {
	var all []string
	need := func(name string, optional *bool) {
		if name != "" && (optional == nil || !*optional) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, v := range spec.Env {
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			need(v.ValueFrom.SecretKeyRef.Name, v.ValueFrom.SecretKeyRef.Optional)
		}
	}
	for _, v := range spec.EnvFrom {
		if v.SecretRef != nil {
			need(v.SecretRef.Name, v.SecretRef.Optional)
		}
	}
	for _, v := range spec.Volumes {
		if v.Secret != nil {
			need(v.Secret.SecretName, v.Secret.Optional)
		}
	}
	return all
}

func (g *gatherer) allocators(ctx context.Context) {
	var list v1alpha1.TargetAllocatorList
	if !g.list(ctx, Collectors, "target allocators", &list) {
		return
	}
	for i := range list.Items {
		a := Allocator{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name}
		d := new(appsv1.Deployment)
		err := g.client.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: render.AllocatorName(&list.Items[i])}, d)
		a.Trouble, a.Pod, _ = g.trouble(ctx, d, err)
		g.p.Allocators = append(g.p.Allocators, a)
	}
}

func (g *gatherer) instrumentations(ctx context.Context) {
	g.p.Images = g.settings.Images.Agents
	if !g.settings.Instrumentations {
		g.p.Only = g.settings.Instrumentation
	}
	var list v1alpha1.InstrumentationList
	if !g.list(ctx, Instrumentation, "Instrumentations", &list) {
		return
	}
	for i := range list.Items {
		g.p.Instrumentations = append(g.p.Instrumentations, &list.Items[i])
	}
}

func (g *gatherer) workloads(ctx context.Context) {
	defer g.decide(ctx)
	in := client.InNamespace(g.Namespace)
	var pods corev1.PodList
	if g.missed(Instrumentation, "pods", g.client.List(ctx, &pods, in)) {
		return
	}
	add := func(kind string, o client.Object, template *corev1.PodTemplateSpec) {
		w := Workload{Kind: kind, Name: o.GetName(), Meta: metav1.ObjectMeta{Annotations: o.GetAnnotations(), Labels: o.GetLabels()}, Template: *template}
		if w.Meta.Labels[v1beta1.LabelManagedBy] == "opentelemetry-operator" || metav1.GetControllerOf(o) != nil {
			return
		}
		selector := selectorOf(o)
		for _, p := range pods.Items {
			if selector != nil && selector.Matches(labels.Set(p.Labels)) && running(&p) {
				w.Pods = append(w.Pods, p)
			}
		}
		g.p.Workloads = append(g.p.Workloads, w)
	}
	var deployments appsv1.DeploymentList
	var statefulSets appsv1.StatefulSetList
	var daemonSets appsv1.DaemonSetList
	var cronJobs batchv1.CronJobList
	var jobs batchv1.JobList
	for _, list := range []client.ObjectList{&deployments, &statefulSets, &daemonSets, &cronJobs, &jobs} {
		g.missed(Instrumentation, fmt.Sprintf("%T", list), g.client.List(ctx, list, in))
	}
	for i := range deployments.Items {
		add("Deployment", &deployments.Items[i], &deployments.Items[i].Spec.Template)
	}
	for i := range statefulSets.Items {
		add("StatefulSet", &statefulSets.Items[i], &statefulSets.Items[i].Spec.Template)
	}
	for i := range daemonSets.Items {
		add("DaemonSet", &daemonSets.Items[i], &daemonSets.Items[i].Spec.Template)
	}
	for i := range cronJobs.Items {
		add("CronJob", &cronJobs.Items[i], &cronJobs.Items[i].Spec.JobTemplate.Spec.Template)
	}
	for i := range jobs.Items {
		add("Job", &jobs.Items[i], &jobs.Items[i].Spec.Template)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if running(p) && p.Labels[v1beta1.LabelName] != probeName {
			add("Pod", p, &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: p.Annotations, Labels: p.Labels}, Spec: p.Spec})
		}
	}
}

// decide asks what the operator would decide about each workload now.
func (g *gatherer) decide(ctx context.Context) {
	reviewer, err := operator.NewReviewer(&g.settings, g.Config)
	if g.missed(Instrumentation, "what would be decided now", err) {
		return
	}
	for i := range g.p.Workloads {
		w := &g.p.Workloads[i]
		pod := w.pod()
		if w.Kind == "Pod" {
			pod = inject.Plain(pod)
		}
		w.Decided, w.Decisions = reviewer.Decider.Decide(ctx, pod, g.p.Meta, []inject.Owner{{Kind: w.Kind, Name: w.Name}})
	}
}

func running(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

func (g *gatherer) services(ctx context.Context) {
	for _, name := range g.p.targets() {
		var s corev1.Service
		err := g.client.Get(ctx, name, &s)
		if apierrors.IsNotFound(err) {
			_, there := g.p.Namespaces[name.Namespace]
			g.p.Services[name] = Service{Missing: true, NoNamespace: !there && len(g.p.Namespaces) > 1}
			continue
		}
		if g.missed(Endpoints, "Service "+name.String(), err) {
			continue
		}
		service := Service{Selector: s.Spec.Selector, Ports: s.Spec.Ports, External: s.Spec.Type == corev1.ServiceTypeExternalName || len(s.Spec.Selector) == 0}
		var addresses discoveryv1.EndpointSliceList
		err = g.client.List(ctx, &addresses, client.InNamespace(name.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: name.Name})
		if g.missed(Endpoints, "the addresses of Service "+name.String(), err) {
			continue
		}
		for _, slice := range addresses.Items {
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					service.Ready++
				} else {
					service.NotReady++
				}
			}
		}
		var pods corev1.PodList
		if len(s.Spec.Selector) > 0 && !g.missed(Endpoints, "the pods of Service "+name.String(), g.client.List(ctx, &pods, client.InNamespace(name.Namespace), client.MatchingLabels(s.Spec.Selector))) {
			service.Pods = pods.Items
		}
		g.p.Services[name] = service
	}
}

func (g *gatherer) policies(ctx context.Context) {
	namespaces := []string{g.Namespace}
	for _, name := range g.p.targets() {
		if !slices.Contains(namespaces, name.Namespace) {
			namespaces = append(namespaces, name.Namespace)
		}
	}
	for _, name := range namespaces {
		var list networkingv1.NetworkPolicyList
		if !g.missed(Network, "the NetworkPolicies of namespace "+name, g.client.List(ctx, &list, client.InNamespace(name))) {
			g.p.Policies = append(g.p.Policies, list.Items...)
		}
	}
}

// maxScrapes is how many questions for metrics are asked.
const maxScrapes = 20

// scrapes asks the pods that want to be scraped for their metrics, and where they
// have none, others.
func (g *gatherer) scrapes(ctx context.Context) {
	if !g.Probe {
		return
	}
	paths := []string{"/metrics"}
	missing := false
	for i := range g.p.Workloads {
		w := &g.p.Workloads[i]
		if !w.asksForScraping() {
			continue
		}
		port := w.Template.Annotations[portAnnotation]
		if ports := containerPorts(&w.Template.Spec); port == "" && len(ports) > 0 {
			port = ports[0]
		}
		path := cmp.Or(w.Template.Annotations[pathAnnotation], "/metrics")
		if s := g.scrapeOnce(ctx, w, port, path); s != nil {
			s.Asked = true
			missing = missing || !s.Metrics && (s.Status != 0 || strings.Contains(s.Err, "refused"))
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for i := range g.p.Workloads {
		for _, port := range containerPorts(&g.p.Workloads[i].Template.Spec) {
			for _, path := range paths {
				if missing {
					g.scrapeOnce(ctx, &g.p.Workloads[i], port, path)
				}
			}
		}
	}
}

// scrapeOnce asks a pod of a workload, unless it was asked the same; nil when it
// was not asked.
func (g *gatherer) scrapeOnce(ctx context.Context, w *Workload, port, path string) *Scrape {
	pod := readyPod(w)
	asked := slices.ContainsFunc(g.p.Scrapes, func(s Scrape) bool { return s.Workload == w.object() && s.Port == port && s.Path == path })
	if pod == "" || port == "" || asked || len(g.p.Scrapes) >= maxScrapes {
		return nil
	}
	g.p.Scrapes = append(g.p.Scrapes, g.scrape(ctx, w, pod, port, path))
	return &g.p.Scrapes[len(g.p.Scrapes)-1]
}

func readyPod(w *Workload) string {
	for i := range w.Pods {
		if isReady(&w.Pods[i]) {
			return w.Pods[i].Name
		}
	}
	return ""
}
