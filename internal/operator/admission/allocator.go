package admission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// validateAllocator checks a target allocator that is a resource of its own.
func (h *hooks) validateAllocator(ctx context.Context, r request[*v1alpha1.TargetAllocator], v *verdict) {
	t := r.object
	t.Namespace = cmp.Or(t.Namespace, r.Namespace)
	t.SetDefaults(h.Gates)
	checkPorts("spec.ports", t.Spec.Ports, v)
	checkNamespaces("spec.prometheusCR", &t.Spec.PrometheusCR, v)
	checkMTLS("spec.mtls", t.Spec.MTLS, v)

	facts := h.Facts(t.Namespace)
	plan, err := render.Allocator(t, nil, granting(facts))
	if err != nil {
		if !errors.Is(err, render.ErrNoTargets) {
			v.refuseError(err)
		}
		return
	}
	v.found(slices.DeleteFunc(plan.Findings, func(f migrate.Finding) bool {
		return f.Rule == "no-collector" // it may be written before its collectors
	}), "")
	h.checkRights(ctx, r.Request, facts, v, plan)
}

// checkEmbeddedAllocator checks what a target allocator asks of its collector.
func checkEmbeddedAllocator(s *v1beta1.OpenTelemetryCollectorSpec, v *verdict) {
	t := &s.TargetAllocator
	const path = "spec.targetAllocator"
	if !t.Enabled {
		return
	}
	if s.Mode != v1beta1.ModeStatefulSet && s.Mode != v1beta1.ModeDaemonSet {
		v.refuse(path+".enabled", "needs mode statefulset or daemonset, whose pods keep their names; this is a %s", s.Mode)
	}
	if daemon := s.Mode == v1beta1.ModeDaemonSet; daemon != (t.AllocationStrategy == v1beta1.AllocatePerNode) {
		v.refuse(path+".allocationStrategy", "%q does not go with mode %s: a daemonset takes per-node, and nothing else does", t.AllocationStrategy, s.Mode)
	}
	checkNamespaces(path+".prometheusCR", &t.PrometheusCR, v)
	checkMTLS(path+".mtls", t.MTLS, v)
	receiver, ok := s.Config.Receivers.Object["prometheus"]
	if !ok {
		var near []string
		for id := range s.Config.Receivers.Object {
			if strings.HasPrefix(id, "prometheus/") {
				near = append(near, id)
			}
		}
		slices.Sort(near)
		hint := ""
		if len(near) > 0 {
			hint = "; call one of " + strings.Join(near, ", ") + " so"
		}
		v.refuse(path, "feeds the receiver prometheus, and spec.config has none%s", hint)
		return
	}
	settings, _ := receiver.(map[string]any)
	config, ok := settings["config"].(map[string]any)
	if !ok || t.PrometheusCR.Enabled {
		return
	}
	if scrapes, _ := config["scrape_configs"].([]any); len(scrapes) == 0 {
		v.refuse("spec.config.receivers.prometheus.config.scrape_configs", "the target allocator has nothing to share out: add one, or enable spec.targetAllocator.prometheusCR")
	}
}

func checkNamespaces(path string, p *v1beta1.PrometheusCR, v *verdict) {
	if len(p.AllowNamespaces) > 0 && len(p.DenyNamespaces) > 0 {
		v.refuse(path+".denyNamespaces", "cannot stand beside allowNamespaces: namespaces that are not allowed are denied")
	}
}

// checkMTLS refuses certificates that nobody makes and nobody names. Where
// nobody else does, and useCertManager was left alone, the operator makes them.
func checkMTLS(path string, m *v1beta1.MTLS, v *verdict) {
	if m == nil || !m.Enabled || m.UseCertManager == nil || *m.UseCertManager {
		return
	}
	files := m.TLS
	if files == nil {
		files = new(v1beta1.MTLSFiles)
	}
	for _, pair := range []struct {
		field string
		pair  *v1beta1.KeyPair
	}{{"serverCertificate", files.Server}, {"clientCertificate", files.Client}} {
		at := fmt.Sprintf("%s.tls.%s", path, pair.field)
		if pair.pair == nil {
			v.refuse(at, "useCertManager is false, so it must be named")
			continue
		}
		if pair.pair.Certificate.Name == "" {
			v.refuse(at+".certificateSecret.name", "must name a Secret")
		}
		if pair.pair.Key.Name == "" {
			v.refuse(at+".keySecret.name", "must name a Secret")
		}
	}
	const authority = ".tls.certificateAuthorityCertificate"
	switch ca := files.CA; {
	case ca == nil || ca.Secret == nil && ca.ConfigMap == nil:
		v.refuse(path+authority, "useCertManager is false, so a secret or a configMap must be named")
	case ca.Secret != nil && ca.ConfigMap != nil:
		v.refuse(path+authority, "names both a secret and a configMap: one of them has it")
	}
}
