package review

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
)

const (
	// pageSize is how many pods are in memory at once, with all of their metadata.
	pageSize = 500
	// maxWorkloads are told in a report, and maxPods of each.
	maxWorkloads, maxPods = 1000, 20
	// maxRefusals are told of an Instrumentation, each cut at maxMessage bytes.
	maxRefusals, maxMessage = 5, 500
	// remembered is how many answers about pods and owners that cannot change are
	// kept between two looks; then they are asked for again.
	remembered = 16384
)

// Config is what a Reviewer is made of.
type Config struct {
	// Decider decides about pods that start now.
	Decider *pods.Decider
	// Live reads from the API server.
	Live client.Reader
	// Namespaces are looked at when none is named; none is all.
	Namespaces []string
	// OperatorNamespace is where the operator is, for commands that change it; "" is
	// the usual one.
	OperatorNamespace string
	// Logs is the beginning of what a container wrote; nil where it is not to be
	// read.
	Logs func(ctx context.Context, namespace, pod, container string) (string, error)
	// Now is the time; nil is time.Now.
	Now func() time.Time
}

// Reviewer looks at pods. It may be used by several at once.
type Reviewer struct {
	Config

	mu sync.Mutex
	// above are the controllers of ReplicaSets and Jobs, nil for those without: they
	// never change hands.
	above map[types.UID]*metav1.OwnerReference
	// bare are pods without a mark of which it was seen that they have nothing.
	bare map[types.UID]bool
}

// New makes a Reviewer.
func New(c Config) *Reviewer {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Reviewer{Config: c, above: map[types.UID]*metav1.OwnerReference{}, bare: map[types.UID]bool{}}
}

// running are pods that did not end: those of Jobs stay for long, and nothing
// can be done about them.
var running = fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
)

// Sweep looks at all pods of namespaces, or of those of the configuration. Of
// workloads that ask for nothing and have nothing there is nothing in the
// report.
func (r *Reviewer) Sweep(ctx context.Context, namespaces ...string) (*Report, error) {
	return r.look(ctx, false, namespaces)
}

// Count is Sweep of all namespaces of the configuration, without single pods and
// with all workloads.
func (r *Reviewer) Count(ctx context.Context) (*Report, error) { return r.look(ctx, true, nil) }

func (r *Reviewer) look(ctx context.Context, brief bool, namespaces []string) (*Report, error) {
	if len(namespaces) == 0 {
		namespaces = r.Namespaces
	}
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	s := r.sweep()
	s.brief = brief
	s.wants = func(p *corev1.Pod) bool { return asks(p, s.namespace(ctx, p.Namespace)) }
	for _, n := range namespaces {
		if err := s.list(ctx, client.InNamespace(n), client.MatchingFieldsSelector{Selector: running}); err != nil {
			return nil, err
		}
	}
	return s.report(ctx)
}

// asks reports whether a pod asks for something, or has it.
func asks(p *corev1.Pod, namespace metav1.ObjectMeta) bool {
	return !inject.SidecarWish(p, namespace).Empty() || len(inject.InstrumentationWishes(p, namespace)) > 0 || len(inject.Has(p)) > 0
}

// sweep is one look at pods.
type sweep struct {
	*Reviewer
	// wants says which pods are kept; they have metadata alone.
	wants func(*corev1.Pod) bool
	// brief leaves single pods out, and no workload.
	brief bool
	// seen counts all pods.
	seen       int
	namespaces map[string]metav1.ObjectMeta
	groups     map[types.UID]*group
	hook       *hook
	candidates map[string][]string
	problems   []string
}

// group are the pods of one controller, or one pod without any.
type group struct {
	namespace  string
	controller *metav1.OwnerReference
	pods       []corev1.Pod
}

func (r *Reviewer) sweep() *sweep {
	return &sweep{Reviewer: r, namespaces: map[string]metav1.ObjectMeta{}, groups: map[types.UID]*group{}, candidates: map[string][]string{}}
}

// problem notes what could not be found out, once.
func (s *sweep) problem(err error) {
	for _, p := range s.problems {
		if p == err.Error() {
			return
		}
	}
	s.problems = append(s.problems, err.Error())
}

// namespace is the metadata of a namespace.
func (s *sweep) namespace(ctx context.Context, name string) metav1.ObjectMeta {
	m, ok := s.namespaces[name]
	if !ok {
		var err error
		if m, err = s.Decider.Namespace(ctx, name); err != nil {
			s.problem(err)
		}
		s.namespaces[name] = m
	}
	return m
}

// list reads pods page by page, and keeps those that are wanted.
func (s *sweep) list(ctx context.Context, options ...client.ListOption) error {
	next := ""
	for {
		page := new(metav1.PartialObjectMetadataList)
		page.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		if err := s.Live.List(ctx, page, append(options, client.Limit(pageSize), client.Continue(next))...); err != nil {
			return fmt.Errorf("listing pods: %w", err)
		}
		for i := range page.Items {
			s.keep(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// keep keeps of a pod that is wanted what is asked for later.
func (s *sweep) keep(m *metav1.PartialObjectMetadata) {
	s.seen++
	if m.DeletionTimestamp != nil {
		return
	}
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, GenerateName: m.GenerateName, UID: m.UID, CreationTimestamp: m.CreationTimestamp,
		Labels: m.Labels, Annotations: m.Annotations,
	}}
	if !s.wants(&p) {
		return
	}
	controller := metav1.GetControllerOf(m)
	key := m.UID
	if controller != nil {
		key = controller.UID
	}
	g := s.groups[key]
	if g == nil {
		g = &group{namespace: m.Namespace, controller: controller}
		s.groups[key] = g
	}
	g.pods = append(g.pods, p)
}

// matching are options to list the pods of one namespace that a selector means;
// nil means all.
func matching(namespace string, selector *metav1.LabelSelector) ([]client.ListOption, error) {
	options := []client.ListOption{client.InNamespace(namespace)}
	if selector == nil {
		return options, nil
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("reading the selector of a workload: %w", err)
	}
	return append(options, client.MatchingLabelsSelector{Selector: s}), nil
}
