package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// bridges is the kind OpAMPBridge.
func (s *shared) bridges() *kind {
	return &kind{
		gvk:       v1alpha1.GroupVersion.WithKind("OpAMPBridge"),
		component: render.ComponentBridge,
		fresh:     func() client.Object { return &v1alpha1.OpAMPBridge{} },
		freshList: func() client.ObjectList { return &v1alpha1.OpAMPBridgeList{} },
		managed:   func(client.Object) bool { return true },
		plan: func(_ context.Context, o client.Object, facts render.Facts) (render.Plan, error) {
			return render.Bridge(o.(*v1alpha1.OpAMPBridge), facts)
		},
		report: s.reportBridge,
	}
}
