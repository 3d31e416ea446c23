package operator

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// monitorAfter is the time between two looks at whether the cluster has
// ServiceMonitors by now.
const monitorAfter = time.Minute

// monitor makes the ServiceMonitor for the operator's own metrics as soon as the
// cluster has that kind. One that is there is left as it is.
func (o *Operator) monitor(available func() bool) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if available() {
				err := o.client.Create(ctx, o.serviceMonitor(), client.FieldOwner(needs.FieldOwner))
				if err == nil || apierrors.IsAlreadyExists(err) {
					return nil
				}
				o.Logger.WarnContext(ctx, "the operator's ServiceMonitor cannot be made", "error", err, "after", monitorAfter)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(monitorAfter):
			}
		}
	}
}

func (o *Operator) serviceMonitor() *unstructured.Unstructured {
	endpoint := map[string]any{"port": "https", "path": "/metrics", "scheme": "http", "interval": "30s"}
	if o.Settings.Metrics.Secure {
		endpoint["scheme"] = "https"
		endpoint["bearerTokenFile"] = "/var/run/secrets/kubernetes.io/serviceaccount/token"
		// Prometheus cannot read the authority, which is in a Secret of the operator.
		endpoint["tlsConfig"] = map[string]any{
			"serverName": fmt.Sprintf("%s.%s.svc", needs.MetricsService, o.Settings.Namespace), "insecureSkipVerify": true,
		}
	}
	labels := map[string]any{"app.kubernetes.io/name": "opentelemetry-operator", "control-plane": "controller-manager"}
	m := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"labels": labels},
		"spec":     map[string]any{"endpoints": []any{endpoint}, "selector": map[string]any{"matchLabels": labels}},
	}}
	m.SetGroupVersionKind(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"})
	m.SetNamespace(o.Settings.Namespace)
	m.SetName("opentelemetry-operator-metrics-monitor")
	return m
}
