package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// lookEvery is how often changes of the collectors are acted on at most, and
// how often their grace periods are looked at.
const lookEvery = 5 * time.Second

// Source says who the collectors are, each time that changes, until ctx ends.
type Source func(ctx context.Context, set func([]Collector)) error

// Static is a source for a list that does not change.
func Static(names ...string) Source {
	return func(ctx context.Context, set func([]Collector)) error {
		var collectors []Collector
		for _, name := range names {
			collectors = append(collectors, Collector{Name: name})
		}
		set(collectors)
		<-ctx.Done()
		return nil
	}
}

// podSource watches the pods that the configuration selects.
type podSource struct {
	client    kubernetes.Interface
	namespace string
	selector  string
	grace     time.Duration
	logger    *slog.Logger
}

// newPodSource reaches Kubernetes as the configuration says.
func newPodSource(c *Config, logger *slog.Logger) (Source, error) {
	if c.CollectorNamespace == "" {
		return nil, errors.New("collector_namespace: is needed, here or as OTELCOL_NAMESPACE; without Kubernetes name the collectors with --collectors")
	}
	config, err := kubeConfig(c.KubeConfigFilePath)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes: %w; without it name the collectors with --collectors", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes: %w", err)
	}
	selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(c.CollectorSelector))
	if err != nil {
		return nil, fmt.Errorf("collector_selector: %w", err)
	}
	if c.CollectorSelector == nil {
		logger.Warn("no pod is a collector because collector_selector is not set")
		return Static(), nil
	}
	p := &podSource{client: client, namespace: c.CollectorNamespace, selector: selector.String(),
		grace: c.CollectorNotReadyGracePeriod, logger: logger}
	return p.run, nil
}

// kubeConfig reads the file, else the user's if there is one, else what the pod
// was given.
func kubeConfig(file string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}

func (p *podSource) run(ctx context.Context, set func([]Collector)) error {
	pods := p.client.CoreV1().Pods(p.namespace)
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.LabelSelector = p.selector
				return pods.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.LabelSelector = p.selector
				return pods.Watch(ctx, o)
			},
		},
		ObjectType: &corev1.Pod{},
		Transform:  trimPod,
		// Changes are looked at together.
		Handler: cache.ResourceEventHandlerFuncs{},
	})
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil // stopped before
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		set(collectorsOf(store.List(), time.Now(), p.grace))
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// collectorsOf are the pods that share: those with a node that are not going
// away, and that are not unhealthy for longer than the grace period.
func collectorsOf(pods []any, now time.Time, grace time.Duration) []Collector {
	var collectors []Collector
	for _, object := range pods {
		pod, ok := object.(*corev1.Pod)
		if !ok || pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil {
			continue
		}
		if since := unhealthySince(pod); grace > 0 && !since.IsZero() && now.Sub(since) > grace {
			continue
		}
		collectors = append(collectors, Collector{Name: pod.Name, Node: pod.Spec.NodeName})
	}
	return collectors
}

// unhealthySince is when the pod stopped to be ready, zero when it is.
func unhealthySince(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			if c.Status == corev1.ConditionTrue && pod.Status.Phase == corev1.PodRunning {
				return time.Time{}
			}
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}

// trimPod keeps of a pod what is looked at.
func trimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, ResourceVersion: pod.ResourceVersion,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec:   corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{Phase: pod.Status.Phase, Conditions: pod.Status.Conditions},
	}, nil
}
