package reach

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// What the API server answers is told once as an event, and each time as a metric.
func TestTest(t *testing.T) {
	var answer error
	c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build(), interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, _ client.Object, opts ...client.CreateOption) error {
			o := client.CreateOptions{}
			o.ApplyOptions(opts)
			if len(o.DryRun) == 0 {
				t.Error("not a dry run")
			}
			return answer
		},
	})
	var events []string
	r, err := newRunner(Config{
		Client: c, Namespace: "operator", Port: 9443, Interval: time.Minute, Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
		Event: func(_ context.Context, _, reason, message string) {
			_, advice, _ := strings.Cut(message, "; ")
			events = append(events, reason+" "+advice)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const call = `Internal error occurred: failed calling webhook "minstrumentation.kb.io": failed to call webhook: Post "https://hooks": `
	firewall := "WebhookUnreachable something drops the connection: open TCP port 9443 from the control plane to the nodes, or use a port that is open there (--webhook-port 443 or 10250, and the Service's targetPort)"
	for _, s := range []struct {
		name   string
		answer error
		open   bool
		events []string
	}{
		{"refused by a webhook", errors.New(`admission webhook "vinstrumentationcreateupdate.kb.io" denied the request: spec.sampler`), true, nil},
		{"a firewall", errors.New(call + "context deadline exceeded"), false, []string{firewall}},
		{"still", errors.New(call + "context deadline exceeded"), false, nil},
		{"no API server says nothing", errors.New("connection reset by peer"), false, nil},
		{"open again", errors.New(`admission webhook "vinstrumentationcreateupdate.kb.io" denied the request: spec.sampler`), true, []string{"WebhookReachable "}},
		{"no configuration", nil, false, []string{"WebhookUnreachable `signalbox install` prints them"}},
		{"another webhook refuses", errors.New(`admission webhook "policy.example" denied the request: no`), false, nil},
		{"no pod", errors.New(call + "no endpoints available for service \"hooks\""), false,
			[]string{"WebhookUnreachable the webhook Service has no ready pod, or does not exist: see that the operator's pods are ready"}},
		{"wrong authority", errors.New(call + "tls: failed to verify certificate: x509: certificate signed by unknown authority"), false,
			[]string{"WebhookUnreachable its caBundle is not the operator's: see the operator's logs about certificates"}},
		{"wrong port", errors.New(call + "connect: connection refused"), false,
			[]string{"WebhookUnreachable nothing listens where the webhook Service leads: its targetPort must be 9443"}},
	} {
		answer, events = s.answer, nil
		for range 2 { // once is no trouble
			r.test(t.Context(), paths[0])
		}
		if got := testutil.ToFloat64(r.reachable.WithLabelValues("admission")) == 1; got != s.open {
			t.Errorf("%s: got reachable %t; want %t", s.name, got, s.open)
		}
		if diff := cmp.Diff(s.events, events); diff != "" {
			t.Errorf("%s: events (-want +got)\n%s", s.name, diff)
		}
	}
}
