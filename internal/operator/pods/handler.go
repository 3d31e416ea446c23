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
			h.log.Error("defect in the webhook of pods", "panic", p, "stack", string(debug.Stack()))
			h.recorder.decisions.WithLabelValues(string(inject.Sidecar), string(inject.Failed), string(inject.Internal)).Inc()
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
	if !bytes.Contains(req.Object.Raw, []byte(v1beta1.AnnotationSidecar)) && inject.SidecarWish(new(corev1.Pod), namespace).Empty() {
		return response
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(req.Object.Raw, pod); err != nil {
		h.log.Warn("pod left as it is", "resource", req.Namespace+"/"+req.Name, "error", err)
		return response
	}
	wish := inject.SidecarWish(pod, namespace)
	if wish.Empty() {
		return response
	}
	owners := h.gatherer.owners.of(ctx, req.Namespace, pod)
	result := h.guarded(inject.Sidecar, pod, func() (inject.Result, error) {
		collectors, err := h.gatherer.collectors(ctx, req.Namespace, wish)
		if err != nil {
			return inject.Result{}, err
		}
		facts, err := h.gatherer.facts(ctx, req.Namespace)
		facts.Owners = owners
		return inject.AddSidecar(pod, namespace, collectors, facts), err
	})
	decisions := []inject.Decision{result.Decision}
	if patch, err := inject.Patch(pod, result.Pod); err != nil {
		decisions[0] = failed(pod, inject.Sidecar, err).Decision
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

// guarded comes to a decision whatever happens on the way: what is asked for by
// one annotation does not depend on what is asked for by another.
func (h *admitter) guarded(kind inject.Kind, pod *corev1.Pod, decide func() (inject.Result, error)) (result inject.Result) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("defect in the webhook of pods", "panic", p, "stack", string(debug.Stack()))
			result = failed(pod, kind, fmt.Errorf("defect: %v", p))
		}
	}()
	result, err := decide()
	if err != nil {
		return failed(pod, kind, err)
	}
	return result
}

func failed(pod *corev1.Pod, kind inject.Kind, err error) inject.Result {
	return inject.Result{Pod: pod, Decision: inject.Decision{
		Kind: kind, Outcome: inject.Failed, Reason: inject.Internal, Message: err.Error(),
	}}
}
