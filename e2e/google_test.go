//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/trace/apiv2/tracepb"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/collector/googletest"
)

// googleCloud is Google as pods of a test find it, and what they have sent.
type googleCloud struct {
	internet *googletest.Internet
	env      []string // by which a collector finds it

	mu     sync.Mutex
	spans  map[string]*tracepb.Span
	series map[string]*monitoringpb.TimeSeries // the last one, by metric and labels
}

// startGoogle starts servers with Google's services and a node's metadata server,
// which pods reach at the node's address, until the test ends.
func startGoogle(t *testing.T) *googleCloud {
	t.Helper()
	g := &googleCloud{internet: googletest.StartInternet(t), spans: map[string]*tracepb.Span{}, series: map[string]*monitoringpb.TimeSeries{}}
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go g.keep(done)
	proxy := forward(t, strings.TrimPrefix(g.internet.Proxy, "http://"))
	g.env = []string{
		"HTTPS_PROXY=http://" + proxy, "NO_PROXY=otel-collector,10.0.0.0/8,172.31.0.0/16,.svc,.cluster.local", "SSL_CERT_FILE=/google.pem",
		"GCE_METADATA_HOST=" + forward(t, googletest.StartMetadata(t)),
	}
	return g
}

// keep keeps what is sent.
func (g *googleCloud) keep(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-g.internet.Google.Tokens:
		case <-g.internet.Google.Descriptors:
		case <-g.internet.Google.ServiceSeries:
		case <-g.internet.Google.Logs:
		case r := <-g.internet.Google.Traces:
			g.mu.Lock()
			for _, s := range r.Spans {
				g.spans[s.SpanId] = s
			}
			g.mu.Unlock()
		case r := <-g.internet.Google.Series:
			g.mu.Lock()
			for _, s := range r.TimeSeries {
				g.series[fmt.Sprint(s.Metric.Type, s.Metric.Labels)] = s
			}
			g.mu.Unlock()
		}
	}
}

// image loads our collector under a name of another registry, in a pod of which
// Google is to be found.
func (g *googleCloud) image(t *testing.T, name string) {
	t.Helper()
	root, err := kube.Root()
	if err != nil {
		t.Fatal(err)
	}
	img, err := kube.FromDockerfile(filepath.Join(root, "images", "signalbox", "Dockerfile"), "collector",
		map[string]string{"build": filepath.Join(root, "bin", "image")})
	if err != nil {
		t.Fatal(err)
	}
	img.Names = []string{name}
	img.Env = append(img.Env, g.env...)
	img.Files = append(img.Files, kube.File{Source: g.internet.Roots, Target: "/google.pem", UID: 65532})
	if err := cluster.Load(t.Context(), img); err != nil {
		t.Fatal(err)
	}
}

// ways name the spans from a trace's root to a span of that name, for each such span
// whose trace is there from its root.
func (g *googleCloud) ways(name string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, s := range g.spans {
		if s.DisplayName.GetValue() != name {
			continue
		}
		way := name
		for s != nil && s.ParentSpanId != "" {
			if s = g.spans[s.ParentSpanId]; s != nil {
				way = s.DisplayName.GetValue() + " > " + way
			}
		}
		if s != nil {
			all = append(all, way)
		}
	}
	return all
}

// roots counts the traces that begin with spans of these names.
func (g *googleCloud) roots(names ...string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, s := range g.spans {
		if s.ParentSpanId == "" && slices.Contains(names, s.DisplayName.GetValue()) {
			n++
		}
	}
	return n
}

// labels are the labels of all series of a metric, in one of Google's domains.
func (g *googleCloud) labels(metric string) []map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []map[string]string
	for _, s := range g.series {
		if _, name, _ := strings.Cut(s.Metric.Type, "/"); name == metric {
			all = append(all, s.Metric.Labels)
		}
	}
	return all
}

// forward makes what listens on this machine's loopback listen where pods reach it,
// until the test ends.
func forward(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(nodeAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go join(from, to)
		}
	}()
	return l.Addr().String()
}

// join copies both ways until one end is closed.
func join(from net.Conn, to string) {
	defer from.Close()
	other, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer other.Close()
	go func() {
		_, _ = io.Copy(other, from) // the other direction ends both
		other.Close()
	}()
	_, _ = io.Copy(from, other)
}

// logsIfFailed shows what workloads have said when the test has failed, before they
// are removed.
func logsIfFailed(t *testing.T, namespace string, workloads ...string) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, w := range workloads {
			logs, err := cluster.Kubectl(context.Background(), "", "logs", "-n", namespace, w, "--tail=60")
			t.Logf("%s: %v\n%s", w, err, logs)
		}
	})
}
