package allocator

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
)

var (
	serviceMonitors = schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"}
	podMonitors     = schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "podmonitors"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

func monitor(kind, namespace, name, team, endpoint string) *unstructured.Unstructured {
	field := map[string]string{"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}[kind]
	e := map[string]any{"port": endpoint}
	if endpoint == "secret" {
		e["bearerTokenSecret"] = map[string]any{"name": "token", "key": "t"}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": kind,
		"metadata": map[string]any{"namespace": namespace, "name": name, "labels": map[string]any{"team": team}},
		"spec":     map[string]any{field: []any{e}},
	}}
}

func namespaceHead(name, stage string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"stage": stage}},
	}
}

// Jobs follow the resources: those that selectors, namespaces and Secrets let
// pass, of the kinds that the cluster has, as they come and go.
func TestMonitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scheme := runtime.NewScheme()
		if err := metav1.AddMetaToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(scheme, map[schema.GroupVersionResource]string{
			serviceMonitors: "ServiceMonitorList", podMonitors: "PodMonitorList", secrets: "SecretList",
		},
			monitor("ServiceMonitor", "prod", "a", "blue", "web"),
			monitor("ServiceMonitor", "prod", "needs-secret", "blue", "secret"),
			monitor("ServiceMonitor", "prod", "red", "red", "web"),
			monitor("ServiceMonitor", "test", "a", "blue", "web"),
			monitor("ServiceMonitor", "denied", "a", "blue", "web"),
		)
		installed := false
		client.PrependReactor("list", "podmonitors", func(clienttesting.Action) (bool, runtime.Object, error) {
			if installed {
				return false, nil, nil
			}
			return true, nil, apierrors.NewNotFound(podMonitors.GroupResource(), "")
		})
		heads := metadatafake.NewSimpleMetadataClient(scheme,
			namespaceHead("prod", "prod"), namespaceHead("test", "test"), namespaceHead("denied", "prod"))

		c := DefaultConfig()
		c.PrometheusCR.Enabled = true
		c.PrometheusCR.DenyNamespaces = []string{"denied"}
		c.PrometheusCR.SecretNamespaces = []string{"prod"}
		c.PrometheusCR.ServiceMonitorSelector = &Selector{MatchLabels: map[string]string{"team": "blue"}}
		c.PrometheusCR.ServiceMonitorNamespaceSelector = &Selector{MatchLabels: map[string]string{"stage": "prod"}}
		c.PrometheusCR.PodMonitorSelector = &Selector{}
		var got []string
		set := func(all []generated) error {
			got = nil
			for _, g := range all {
				got = append(got, g.name)
			}
			return nil
		}
		m := watching(client, heads, &c, slog.New(slog.DiscardHandler), newMetrics(), set)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.run(ctx) }()
		want := func(step string, names ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(names, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step, diff)
			}
		}
		pass(time.Second) // the informers ask by the clock
		want("at first", "serviceMonitor/prod/a/0")

		create(t, client, serviceMonitors, monitor("ServiceMonitor", "prod", "b", "blue", "web"))
		pass(debounce)
		want("one more", "serviceMonitor/prod/a/0", "serviceMonitor/prod/b/0")

		create(t, client, secrets, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": "prod", "name": "token"},
			"data": map[string]any{"t": "c2VjcmV0"},
		}})
		installed = true
		create(t, client, podMonitors, monitor("PodMonitor", "test", "p", "", "web"))
		pass(lookForKinds + debounce)
		want("a secret, a kind", "serviceMonitor/prod/a/0", "serviceMonitor/prod/b/0", "serviceMonitor/prod/needs-secret/0", "podMonitor/test/p/0")

		if err := client.Resource(serviceMonitors).Namespace("prod").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		pass(debounce)
		want("one less", "serviceMonitor/prod/b/0", "serviceMonitor/prod/needs-secret/0", "podMonitor/test/p/0")

		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func create(t *testing.T, client dynamic.Interface, resource schema.GroupVersionResource, u *unstructured.Unstructured) {
	t.Helper()
	if _, err := client.Resource(resource).Namespace(u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// pass lets the bubble's clock go on.
func pass(d time.Duration) {
	synctest.Wait()
	<-time.After(d)
}
