package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
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
	gatherer *gatherer
	recorder *recorder
	log      *slog.Logger
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
	v := &visit{admitter: h, pod: pod, after: pod, namespace: namespace, owners: h.gatherer.owners.of(ctx, req.Namespace, pod)}
	v.sidecar(ctx)
	v.instrumentation(ctx)
	if patch, err := inject.Patch(pod, v.after); err != nil {
		v.fail(err)
	} else if patch != nil {
		kind := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &kind
	}
	if req.DryRun == nil || !*req.DryRun {
		h.recorder.record(req.Namespace, pod, v.owners, v.decisions)
	}
	for _, d := range v.decisions {
		if d.Outcome == inject.Refused || d.Outcome == inject.Failed {
			response.Warnings = append(response.Warnings, fmt.Sprintf("%s not injected: %s", d.Kind, d.Message))
		}
	}
	return response
}

func (h *admitter) defect(p any) {
	h.log.Error("defect in the webhook of pods", "panic", p, "stack", string(debug.Stack()))
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

// visit is one pod on its way through the webhook. What is asked for by one
// annotation does not depend on what is asked for by another: instrumentation
// goes on where the sidecar failed, and the other way round.
type visit struct {
	*admitter
	pod, after *corev1.Pod
	namespace  metav1.ObjectMeta
	owners     []inject.Owner
	decisions  []inject.Decision
}

func (v *visit) sidecar(ctx context.Context) {
	wish := inject.SidecarWish(v.pod, v.namespace)
	if wish.Empty() {
		return
	}
	v.decide(ctx, []inject.Kind{inject.Sidecar}, func(facts inject.Facts) (*corev1.Pod, []inject.Decision, error) {
		collectors, err := v.gatherer.collectors(ctx, v.namespace.Name, wish)
		if err != nil {
			return nil, nil, err
		}
		r := inject.AddSidecar(v.after, v.namespace, collectors, facts)
		return r.Pod, []inject.Decision{r.Decision}, nil
	})
}

func (v *visit) instrumentation(ctx context.Context) {
	wanted := inject.InstrumentationWishes(v.pod, v.namespace)
	if len(wanted) == 0 {
		return
	}
	var kinds []inject.Kind
	for _, w := range wanted {
		kinds = append(kinds, w.Kind)
	}
	v.decide(ctx, kinds, func(facts inject.Facts) (*corev1.Pod, []inject.Decision, error) {
		instrumentations, err := v.gatherer.instrumentations(ctx, v.namespace.Name, wanted)
		if err != nil {
			return nil, nil, err
		}
		facts.ConfigMaps = v.gatherer.configMaps(ctx, v.namespace.Name, v.pod)
		after, decisions := inject.AddInstrumentation(v.after, v.namespace, instrumentations, facts)
		return after, decisions, nil
	})
}

// decide comes to a decision about each kind whatever happens on the way.
func (v *visit) decide(ctx context.Context, kinds []inject.Kind, add func(inject.Facts) (*corev1.Pod, []inject.Decision, error)) {
	failed := func(err error) {
		for _, k := range kinds {
			v.decisions = append(v.decisions, inject.Decision{Kind: k, Outcome: inject.Failed, Reason: inject.Internal, Message: err.Error()})
		}
	}
	defer func() {
		if p := recover(); p != nil {
			v.defect(p)
			failed(fmt.Errorf("defect: %v", p))
		}
	}()
	facts, err := v.gatherer.facts(ctx, v.namespace.Name)
	if err != nil {
		failed(err)
		return
	}
	facts.Owners = v.owners
	after, decisions, err := add(facts)
	if err != nil {
		failed(err)
		return
	}
	v.after, v.decisions = after, append(v.decisions, decisions...)
}

// fail takes back what was decided: the pod stays as it was.
func (v *visit) fail(err error) {
	v.after = v.pod
	for i := range v.decisions {
		if d := &v.decisions[i]; d.Outcome == inject.Injected {
			d.Outcome, d.Reason, d.Message, d.Containers = inject.Failed, inject.Internal, err.Error(), nil
		}
	}
}
