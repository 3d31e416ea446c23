package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// budget is how long an admission may take. The API server waits longer, but
// whoever creates the pod waits with it.
const budget = 2 * time.Second

// admitter answers what a pod gets.
type admitter struct {
	*Decider
	recorder *recorder
}

// Handle allows every pod, with what it asked for where that can be had.
func (h *admitter) Handle(ctx context.Context, req admission.Request) (response admission.Response) {
	response = admission.Allowed("")
	defer func() {
		if p := recover(); p != nil {
			h.defect(p)
			h.recorder.decisions.WithLabelValues("any", string(inject.Failed), string(inject.Internal)).Inc()
			response = admission.Allowed("")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()

	namespace, err := h.gatherer.namespace(ctx, req.Namespace)
	if err != nil {
		h.log.Warn("annotations of the namespace are not considered", "resource", req.Namespace, "error", err)
	}
	// Most pods ask for nothing, and are not worth being parsed to find out.
	if !mentions(req.Object.Raw) && !wishes(new(corev1.Pod), namespace) {
		return response
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(req.Object.Raw, pod); err != nil {
		h.log.Warn("pod left as it is", "resource", req.Namespace+"/"+req.Name, "error", err)
		return response
	}
	if !wishes(pod, namespace) {
		return response
	}
	owners := h.gatherer.owners.of(ctx, req.Namespace, pod)
	after, decisions := h.Decide(ctx, pod, namespace, owners)
	if patch, err := inject.Patch(pod, after); err != nil {
		fail(decisions, err)
	} else if patch != nil {
		kind := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &kind
	}
	if req.DryRun == nil || !*req.DryRun {
		h.recorder.record(req.Namespace, pod, owners, decisions)
	}
	for _, d := range decisions {
		if d.Outcome == inject.Refused || d.Outcome == inject.Failed {
			response.Warnings = append(response.Warnings, fmt.Sprintf("%s not injected: %s", d.Kind, d.Message))
		}
	}
	return response
}

// mentions reports whether the text of a pod may have an annotation that asks
// for something.
func mentions(raw []byte) bool {
	return bytes.Contains(raw, []byte(v1beta1.AnnotationSidecar)) || bytes.Contains(raw, []byte(v1beta1.InstrumentationPrefix+"inject"))
}

// wishes reports whether a pod, or its namespace for it, asks for something.
func wishes(pod *corev1.Pod, namespace metav1.ObjectMeta) bool {
	return !inject.SidecarWish(pod, namespace).Empty() || len(inject.InstrumentationWishes(pod, namespace)) > 0
}

// fail takes back what was decided: the pod stays as it was.
func fail(decisions []inject.Decision, err error) {
	for i := range decisions {
		if d := &decisions[i]; d.Outcome == inject.Injected {
			d.Outcome, d.Reason, d.Message, d.Containers = inject.Failed, inject.Internal, err.Error(), nil
		}
	}
}
