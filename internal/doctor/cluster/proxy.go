package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Pods and Services are asked through the API server's proxy: who examines a
// cluster is seldom in its network.

// podURL is a path of a port of a pod, and serviceURL one of a Service.
func (g *gatherer) podURL(namespace, pod, port, path string) string {
	return g.url("api/v1/namespaces", namespace, "pods", pod+":"+port, "proxy") + path
}

func (g *gatherer) serviceURL(namespace, service, port, path string) string {
	return g.url("api/v1/namespaces", namespace, "services", service+":"+port, "proxy") + path
}

func (g *gatherer) url(parts ...string) string {
	base, _, err := rest.DefaultServerUrlFor(g.Config)
	if err != nil {
		return "" // a client was made of the same
	}
	return base.JoinPath(parts...).String()
}

// askTime is how long an answer may take, and maxAnswer how long it may be.
const (
	askTime   = 5 * time.Second
	maxAnswer = 4 << 20
)

// get asks, and returns what came: status 0 when the API server did not reach whom
// it was to ask.
func (g *gatherer) get(ctx context.Context, url string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return 0, nil, err
	}
	var own metav1.Status
	if resp.StatusCode >= 400 && json.Unmarshal(body, &own) == nil && own.Kind == "Status" {
		return 0, nil, fmt.Errorf("%s", own.Message)
	}
	return resp.StatusCode, body, nil
}

// scrape asks a pod for metrics.
func (g *gatherer) scrape(ctx context.Context, w *Workload, pod, port, path string) Scrape {
	s := Scrape{Workload: w.object(), Pod: pod, Port: port, Path: path}
	status, body, err := g.get(ctx, g.podURL(g.Namespace, pod, port, path))
	if s.Status = status; err != nil {
		s.Err = err.Error()
	}
	s.Metrics = status == http.StatusOK && looksLikeMetrics(string(body))
	return s
}

// looksLikeMetrics reports whether a text is in Prometheus' format: it says of
// each metric of which type it is.
func looksLikeMetrics(text string) bool {
	return strings.HasPrefix(text, "# TYPE ") || strings.Contains(text, "\n# TYPE ")
}

// names are those of the metrics in the store.
func (g *gatherer) names(ctx context.Context) {
	if g.Metric == "" {
		return
	}
	if g.p.Store == nil {
		g.p.miss(Names, "there is no store whose metrics could be looked at")
		return
	}
	status, body, err := g.get(ctx, g.storeURL()+"/api/v1/label/__name__/values")
	var answer struct{ Data []string }
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the store answers %d", status)
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil {
		g.p.miss(Names, fmt.Sprintf("the metrics in the store: %v", err))
		return
	}
	g.p.Names = answer.Data
}

// storeURL is the store's API.
func (g *gatherer) storeURL() string {
	return g.serviceURL(g.p.Store.Namespace, g.p.Store.Name, "http", "")
}
