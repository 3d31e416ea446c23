package admission

import (
	"cmp"
	"context"
	"fmt"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// validateBridge checks an OpAMP bridge.
func (h *hooks) validateBridge(ctx context.Context, r request[*v1alpha1.OpAMPBridge], v *verdict) {
	b := r.object
	b.Namespace = cmp.Or(b.Namespace, r.Namespace)
	s := &b.Spec
	if s.Endpoint == "" {
		v.refuse("spec.endpoint", "names the OpAMP server, and must not be empty")
	}
	if len(s.Capabilities) == 0 {
		v.refuse("spec.capabilities", "must have one at least")
	}
	if s.TLS != nil && s.TLS.Insecure && s.TLS.InsecureSkipVerify {
		v.refuse("spec.tls.insecure_skip_verify", "cannot stand beside insecure: without TLS there is nothing to verify")
	}
	if s.Replicas != nil && *s.Replicas > 1 {
		v.refuse("spec.replicas", "must be at most 1; it is %d", *s.Replicas)
	}
	for i, p := range s.Ports {
		checkPort(fmt.Sprintf("spec.ports[%d]", i), p, v)
	}
	b.SetDefaults()
	facts := h.Facts(b.Namespace)
	plan, err := render.Bridge(b, granting(facts))
	if err != nil {
		v.refuseError(err)
		return
	}
	v.found(plan.Findings, "")
	h.checkRights(ctx, r.Request, facts, v, plan)
}
