package review

import (
	"context"
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// hook is what the API server is told about the webhook of pods; the zero value
// is that it is not known.
type hook struct {
	missing            bool
	namespaces, object *metav1.LabelSelector
}

// unreached says why the API server does not ask the operator about a pod,
// whatever this would decide; nothing where it asks, or may not be known.
func (s *sweep) unreached(ctx context.Context, pod *corev1.Pod, namespace metav1.ObjectMeta) string {
	if s.hook == nil {
		s.hook = s.look(ctx)
	}
	switch {
	case s.hook.missing:
		return fmt.Sprintf("the API server does not ask the operator about new pods: MutatingWebhookConfiguration %s has no webhook for them; install it again", needs.MutatingWebhooks)
	case !matches(s.hook.namespaces, namespace.Labels):
		return fmt.Sprintf("the API server does not ask the operator about pods of namespace %s: the namespaceSelector of MutatingWebhookConfiguration %s leaves it out", namespace.Name, needs.MutatingWebhooks)
	case !matches(s.hook.object, pod.Labels):
		return fmt.Sprintf("the API server does not ask the operator about the pod: the objectSelector of MutatingWebhookConfiguration %s leaves its labels out", needs.MutatingWebhooks)
	}
	return ""
}

// look reads how the webhook is called. Users may not be allowed to.
func (s *sweep) look(ctx context.Context) *hook {
	var c admissionregistrationv1.MutatingWebhookConfiguration
	err := s.Live.Get(ctx, client.ObjectKey{Name: needs.MutatingWebhooks}, &c)
	switch {
	case apierrors.IsNotFound(err):
		return &hook{missing: true}
	case err != nil:
		if !apierrors.IsForbidden(err) {
			s.problem(fmt.Errorf("reading MutatingWebhookConfiguration %s: %w", needs.MutatingWebhooks, err))
		}
		return new(hook)
	}
	for _, w := range c.Webhooks {
		service, url := w.ClientConfig.Service, w.ClientConfig.URL
		if service != nil && service.Path != nil && *service.Path == needs.PodPath || url != nil && strings.HasSuffix(*url, needs.PodPath) {
			return &hook{namespaces: w.NamespaceSelector, object: w.ObjectSelector}
		}
	}
	return &hook{missing: true}
}

// matches reports whether labels are what a selector means; without one, all are.
func matches(selector *metav1.LabelSelector, of map[string]string) bool {
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err != nil || s.Matches(labels.Set(of))
}
