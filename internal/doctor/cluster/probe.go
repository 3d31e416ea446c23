package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/doctor"
	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/render"
)

const (
	// probeName is the label of pods that send probes, and begins their names.
	probeName = "signalbox-doctor"
	// startTime bounds the wait for such a pod, and oldProbe is when one is left
	// over.
	startTime = 90 * time.Second
	oldProbe  = 10 * time.Minute
	// maxRoutes is how many endpoints are sent to.
	maxRoutes = 5
	// terminationLog is where a container leaves its last words.
	terminationLog = "/dev/termination-log"
)

// Followed is an endpoint and what became of probes to it.
type Followed struct {
	Endpoint string         `json:"endpoint"`
	Protocol string         `json:"protocol"`
	Report   *doctor.Report `json:"report"`
}

// route is a way that telemetry takes out of the namespace.
type route struct{ endpoint, protocol string }

// routes are those of the programs of the namespace; where none is instrumented,
// that of one that would be.
func (p *Picture) routes() []route {
	var all []route
	for _, u := range p.uses() {
		endpoint, _ := u.endpoint()
		r := route{endpoint, cmp.Or(u.protocol(), "http")}
		if t := targetOf(endpoint, p.Namespace); t.url != nil && !t.local && !slices.Contains(all, r) && len(all) < maxRoutes {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		if endpoint := p.suggest("http", emptyName); endpoint != "" {
			all = append(all, route{endpoint, "http"})
		}
	}
	return all
}

// probe sends probes from the namespace to where its programs send to, and
// follows them.
func (g *gatherer) probe(ctx context.Context) ([]Followed, error) {
	g.sweep(ctx)
	var all []Followed
	for _, r := range g.p.routes() {
		report, err := doctor.Examine(ctx, g.examination(r))
		if err != nil {
			return all, fmt.Errorf("following probes to %s: %w", r.endpoint, err)
		}
		if g.p.collectorAt(targetOf(r.endpoint, g.Namespace)) == nil {
			withoutConfiguration(report)
		}
		all = append(all, Followed{r.endpoint, r.protocol, report})
	}
	return all, nil
}

// withoutConfiguration takes out advice about a configuration that is not there:
// the endpoint is not that of a collector.
func withoutConfiguration(r *doctor.Report) {
	for _, c := range r.Checks {
		for i := range c.Hops {
			if strings.Contains(c.Hops[i].Fix, "receivers::") {
				c.Hops[i].Fix = ""
			}
		}
	}
}

// examination is how the way to an endpoint is examined.
func (g *gatherer) examination(r route) doctor.Options {
	t := targetOf(r.endpoint, g.Namespace)
	l := doctor.Listener{
		Receiver: "otlp", Protocol: r.protocol, Network: "tcp",
		Address: net.JoinHostPort(t.url.Hostname(), t.port), TLS: t.url.Scheme == "https",
	}
	topology := doctor.Topology{Foreign: true}
	o := doctor.Options{
		Topology: &topology, Timeout: g.Timeout, Client: g.http, Send: g.send, LeadsToStore: g.p.leadsToStore,
		Command: command(slices.Concat([]string{"signalbox", "doctor"}, g.p.tools.which(), []string{"-n", g.Namespace})...),
	}
	if g.p.Store != nil {
		o.Store = g.storeURL()
	}
	c := g.p.collectorAt(t)
	if c == nil {
		for _, signal := range []string{"traces", "metrics", "logs"} {
			topology.Pipelines = append(topology.Pipelines, doctor.Pipeline{ID: signal, Signal: signal, Receivers: []string{l.Receiver}})
		}
		topology.Listeners = []doctor.Listener{l}
		return o
	}
	l.Receiver = c.receiverAt(r.protocol)
	topology = topologyOf(c.Config, l)
	for _, pod := range c.Pods {
		if isReady(&pod) {
			o.Metrics = append(o.Metrics, g.podURL(pod.Namespace, pod.Name, cmp.Or(pod.Annotations["prometheus.io/port"], "8888"), "/metrics"))
		}
	}
	topology.Foreign = len(o.Metrics) == 0
	return o
}

// collectorAt is the collector of ours that a target leads to, nil for others.
func (p *Picture) collectorAt(t target) *Collector {
	for i := range p.Collectors {
		c := &p.Collectors[i]
		name := render.CollectorName(c.CR)
		if c.Err == "" && c.CR.Namespace == t.service.Namespace && slices.Contains([]string{name, name + "-headless"}, t.service.Name) {
			return c
		}
	}
	return nil
}

// receiverAt is the receiver for OTLP by a protocol.
func (c *Collector) receiverAt(protocol string) string {
	for _, name := range sortedKeys(component(c.Config, "receivers")) {
		protocols, _ := at(component(c.Config, "receivers")[name], "protocols").(map[string]any)
		if _, ok := protocols[protocol]; ok && typeOf(name) == "otlp" && c.uses(name) {
			return name
		}
	}
	return "otlp"
}

// topologyOf is how a configuration puts a collector together, as far as it is
// behind a listener, or fetches what it has by itself.
func topologyOf(config map[string]any, l doctor.Listener) doctor.Topology {
	t := doctor.Topology{Connectors: sortedKeys(component(config, "connectors")), Listeners: []doctor.Listener{l}}
	pipelines, _ := at(config, "service", "pipelines").(map[string]any)
	for _, id := range sortedKeys(pipelines) {
		receivers := slices.DeleteFunc(texts(at(pipelines[id], "receivers")), func(name string) bool {
			return name != l.Receiver && !slices.Contains(t.Connectors, name) && typeOf(name) != "prometheus"
		})
		t.Pipelines = append(t.Pipelines, doctor.Pipeline{
			ID: id, Signal: typeOf(id), Receivers: receivers,
			Processors: texts(at(pipelines[id], "processors")), Exporters: texts(at(pipelines[id], "exporters")),
		})
	}
	for name, body := range component(config, "exporters") {
		endpoint, _ := at(body, "endpoint").(string)
		insecure, _ := at(body, "tls", "insecure").(bool)
		t.Exits = append(t.Exits, doctor.Exit{Exporter: name, Endpoint: endpoint, Insecure: insecure})
	}
	return t
}

// leadsToStore reports whether what is sent to an endpoint comes to the store:
// directly, or through another collector.
func (p *Picture) leadsToStore(endpoint string) bool { return p.leads(endpoint, p.home(), 0) }

// maxChain is how many collectors one behind the other are followed.
const maxChain = 4

func (p *Picture) leads(endpoint, namespace string, depth int) bool {
	if p.Store == nil || endpoint == "" || depth > maxChain {
		return false
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	t := targetOf(endpoint, namespace)
	if t.service.Namespace == p.Store.Namespace && slices.Contains([]string{install.OTLPService, install.StoreName}, t.service.Name) {
		return true
	}
	c := p.collectorAt(t)
	if c == nil {
		return false
	}
	for _, body := range component(c.Config, "exporters") {
		if next, _ := at(body, "endpoint").(string); p.leads(next, c.CR.Namespace, depth+1) {
			return true
		}
	}
	return false
}

// sweep removes pods of earlier runs that were ended before they could.
func (g *gatherer) sweep(ctx context.Context) {
	var list corev1.PodList
	if err := g.client.List(ctx, &list, client.InNamespace(g.Namespace), client.MatchingLabels{v1beta1.LabelName: probeName}); err != nil {
		return // whoever may not list may not make one either, and is told so
	}
	for i := range list.Items {
		if g.p.Now.Sub(list.Items[i].CreationTimestamp.Time) > oldProbe {
			_ = g.client.Delete(ctx, &list.Items[i]) // the next run tries again
		}
	}
}

// send has a pod of the namespace send the parcels, and removes it.
func (g *gatherer) send(ctx context.Context, parcels []doctor.Parcel) ([]doctor.Answer, error) {
	parcelText, err := json.Marshal(parcels)
	if err != nil {
		return nil, err
	}
	pod := probePod(g.Namespace, g.probeImage(), string(parcelText))
	if err := g.client.Create(ctx, pod); err != nil {
		return nil, fmt.Errorf("starting a pod in namespace %s: %w", g.Namespace, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = g.client.Delete(ctx, pod, client.GracePeriodSeconds(0)) // its deadline ends it, and the next run removes it
	}()
	return g.await(ctx, pod)
}

// probeImage is ours: that which the operator runs by, since nodes have it.
func (g *gatherer) probeImage() string {
	if o := g.p.Operator; g.ProbeImage == "" && o != nil && o.Ours {
		return o.Image
	}
	return cmp.Or(g.ProbeImage, g.Image)
}

// await waits until the pod has ended, and reads what it says.
func (g *gatherer) await(ctx context.Context, pod *corev1.Pod) ([]doctor.Answer, error) {
	limit := startTime + g.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("pod %s has not ended after %s", pod.Name, limit))
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		err := g.client.Get(ctx, client.ObjectKeyFromObject(pod), pod)
		if err == nil && len(pod.Status.ContainerStatuses) > 0 {
			if end := pod.Status.ContainerStatuses[0].State.Terminated; end != nil {
				return answersOf(end)
			}
			if w := pod.Status.ContainerStatuses[0].State.Waiting; w != nil && slices.Contains([]string{"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}, w.Reason) {
				return nil, fmt.Errorf("the pod that would send it does not start: %s", cmp.Or(w.Message, w.Reason))
			}
		}
		if apierrors.IsNotFound(err) {
			return nil, errors.New("somebody removed the pod that was to send it")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), pending(pod))
		case <-tick.C:
		}
	}
}

// pending is why a pod does not start, nil where nobody says.
func pending(pod *corev1.Pod) error {
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return errors.New(c.Message)
		}
	}
	return nil
}

func answersOf(end *corev1.ContainerStateTerminated) ([]doctor.Answer, error) {
	var answers []doctor.Answer
	if err := json.Unmarshal([]byte(end.Message), &answers); err != nil {
		return nil, fmt.Errorf("the pod that was to send it ended with exit code %d: %.300s", end.ExitCode, strings.TrimSpace(cmp.Or(end.Message, end.Reason)))
	}
	return answers, nil
}

// probePod is a pod that sends parcels and says what came of them. It keeps to
// what Pod Security's level restricted asks, and nothing is injected into it.
func probePod(namespace, image, parcels string) *corev1.Pod {
	annotations := map[string]string{v1beta1.AnnotationSidecar: "false", "sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
	for _, kind := range []string{"java", "nodejs", "python", "dotnet", "go", "apache-httpd", "nginx", "sdk"} {
		annotations[v1beta1.InstrumentationPrefix+"inject-"+kind] = "false"
	}
	annotations[v1beta1.InstrumentationPrefix+"inject"] = "false"
	yes, no, user, deadline, grace := true, false, int64(65532), int64((startTime + oldProbe/10).Seconds()), int64(1)
	small := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	large := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: probeName + "-", Namespace: namespace, Annotations: annotations,
			Labels: map[string]string{v1beta1.LabelName: probeName, v1beta1.LabelPartOf: install.Name, "sidecar.istio.io/inject": "false"},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, ActiveDeadlineSeconds: &deadline, TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "doctor", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
				Args:                   []string{"doctor", "probe", "--to", terminationLog, parcels},
				TerminationMessagePath: terminationLog, TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
				Resources: corev1.ResourceRequirements{Requests: small, Limits: large},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}
