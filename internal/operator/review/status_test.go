package review

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// The status of each Instrumentation says how its pods stand, and is written when
// that changed, and not else.
func TestStatus(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	d, set := deployment("cart", asking(askPython, "true"))
	pod := owned(onePod("cart-1", asking(askPython, "true")), set, "apps/v1")
	m := cluster(d, set, pod)
	writes := 0
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(instrumentation("shop", "all"), instrumentation("web", "unused")).
		WithStatusSubresource(new(v1alpha1.Instrumentation)).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
			writes++
			return c.SubResource(sub).Patch(ctx, o, p, options...)
		},
	}).Build()
	counter := &Counter{reviewer: newReviewer(m), reader: c, client: c, log: slog.New(slog.DiscardHandler)}
	f := func(wantWrites int, want v1alpha1.InstrumentationStatus) {
		t.Helper()
		writes = 0
		if err := counter.update(t.Context()); err != nil {
			t.Fatal(err)
		}
		if writes != wantWrites {
			t.Errorf("got %d writes; want %d", writes, wantWrites)
		}
		var i v1alpha1.Instrumentation
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "all"}, &i); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, i.Status); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	}
	missed := v1alpha1.InstrumentationStatus{Pods: &v1alpha1.InstrumentedPods{Matched: 1, Missed: 1}}
	f(2, missed) // both of them: none is known to have no pods before it was counted
	f(0, missed)
	d.Spec.Template.Annotations["instrumentation.opentelemetry.io/container-names"] = "gone"
	f(1, v1alpha1.InstrumentationStatus{
		Pods: &v1alpha1.InstrumentedPods{Matched: 1, Refused: 1},
		Refusals: []v1alpha1.Refusal{
			{Workload: "Deployment shop/cart", Language: "python", Reason: "UnknownContainer", Message: "the pod has no container gone"},
		},
	})
	want := `
# HELP signalbox_instrumentation_pods Pods that ask for an Instrumentation or have it, by how they stand to it: injected, stale, missed, refused or guarded.
# TYPE signalbox_instrumentation_pods gauge
signalbox_instrumentation_pods{instrumentation="all",namespace="shop",state="guarded"} 0
signalbox_instrumentation_pods{instrumentation="all",namespace="shop",state="injected"} 0
signalbox_instrumentation_pods{instrumentation="all",namespace="shop",state="missed"} 0
signalbox_instrumentation_pods{instrumentation="all",namespace="shop",state="refused"} 1
signalbox_instrumentation_pods{instrumentation="all",namespace="shop",state="stale"} 0
`
	if err := testutil.CollectAndCompare(counter, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if w := counter.Last().Workloads; len(w) != 1 || len(w[0].Pods) != 0 || w[0].PodsLeftOut != 1 {
		t.Errorf("got %+v; want one workload without single pods", w)
	}
}
