// Package kubetest serves the Kubernetes API for pods, to the service discovery
// of a test's collector.
//
// The pods it tells of are servers of the test: every one has the address
// 127.0.0.1.
//
// Invariant: the answers are those of a cluster before 1.32, which cannot list by
// watching, and nothing of a pod changes.
package kubetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pod is one pod with one container, that is ready.
type Pod struct {
	Name        string
	Node        string
	Labels      map[string]string
	Annotations map[string]string
	Ports       map[string]int // of the container, by name
}

// object is the pod as the API gives it.
func (p Pod) object() map[string]any {
	ports := []any{}
	for name, port := range p.Ports {
		ports = append(ports, map[string]any{"name": name, "containerPort": port, "protocol": "TCP"})
	}
	return map[string]any{
		"metadata": map[string]any{"name": p.Name, "namespace": "demo", "uid": p.Name, "resourceVersion": "1", "labels": p.Labels, "annotations": p.Annotations},
		"spec":     map[string]any{"nodeName": p.Node, "containers": []any{map[string]any{"name": "main", "image": "shop", "ports": ports}}},
		"status":   map[string]any{"phase": "Running", "podIP": "127.0.0.1", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}
}

// StartPods serves these pods of the namespace demo until the test ends, and
// gives the URL of the API.
func StartPods(t *testing.T, pods ...Pod) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch q := r.URL.Query(); {
		case r.URL.Path != "/api/v1/pods":
			w.WriteHeader(http.StatusNotFound)
		case q.Get("sendInitialEvents") == "true":
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid, Code: 422})
		case q.Get("watch") == "true" || q.Get("watch") == "1":
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_ = json.NewEncoder(w).Encode(list(pods, q.Get("fieldSelector")))
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL
}

// list is the answer to a list of pods, of one node if the selector says so.
func list(pods []Pod, selector string) map[string]any {
	node, ofNode := strings.CutPrefix(selector, "spec.nodeName=")
	items := []any{}
	for _, p := range pods {
		if !ofNode || p.Node == node {
			items = append(items, p.object())
		}
	}
	return map[string]any{"kind": "PodList", "apiVersion": "v1", "metadata": map[string]string{"resourceVersion": "1"}, "items": items}
}
