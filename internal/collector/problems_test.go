package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// testClock is a log's clock that stands still.
type testClock struct{ now time.Time }

func (c *testClock) Now() time.Time                       { return c.now }
func (c *testClock) NewTicker(time.Duration) *time.Ticker { return time.NewTicker(time.Hour) }

func TestProblems(t *testing.T) {
	p, clock := newProblems(), &testClock{time.Unix(1, 0)}
	log := zap.New(zapcore.NewNopCore(), zap.WithClock(clock)).WithOptions(p.option())
	exporter := log.With(zap.String("otelcol.component.kind", "Exporter"), zap.String("otelcol.component.id", "store"), zap.String("otelcol.signal", "logs"))
	exporter.Info("fine")
	exporter.Error("refused", zap.Error(errors.New("disk full")), zap.Int("attempt", 1))
	log.Warn("slow")
	clock.now = time.Unix(2, 0)
	exporter.Error("refused", zap.Error(errors.New("disk full")), zap.Int("attempt", 2))

	want := []server.Problem{
		{Last: time.Unix(2, 0), Count: 2, Level: "error", Kind: "exporter", Component: "store", Signal: "logs", Message: "refused", Detail: "disk full"},
		{Last: time.Unix(1, 0), Count: 1, Level: "warn", Message: "slow"},
	}
	if diff := cmp.Diff(want, p.list()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	p := newProblems()
	log := zap.New(zapcore.NewNopCore()).WithOptions(p.option())
	for i := range 3 * maxProblems {
		log.Warn(fmt.Sprint(i, strings.Repeat("é", maxProblemText)))
	}
	list := p.list()
	if len(list) != maxProblems || !strings.HasPrefix(list[0].Message, "299é") || len(list[0].Message) > maxProblemText+len("…") {
		t.Errorf("got %d problems, the first %.10q with %d bytes", len(list), list[0].Message, len(list[0].Message))
	}
}

// The page is told how the collector is put together and what goes wrong in it.
func TestProblemsAreAnswered(t *testing.T) {
	query := freePort(t)
	c := startCollector(t, fmt.Sprintf(`
extensions: {query: {endpoint: %q, directory: %q}}
receivers:
  prometheus:
    config:
      scrape_configs:
        - {job_name: gone, scrape_interval: 100ms, scrape_timeout: 100ms, static_configs: [{targets: [%q]}]}
exporters: {store: }
service:
  extensions: [query]
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [prometheus], exporters: [store]}}
`, query, t.TempDir(), freePort(t)))
	defer func() { // before the directory is removed
		c.stop()
		if err := <-c.done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	}()
	c.waitLog(t, "Failed to scrape")
	resp, err := http.Get("http://" + query + "/api/signalbox/v1/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Instance  string
		Pipelines []server.Pipeline
		Problems  []struct{ Kind, Component, Signal, Message, Detail string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := []server.Pipeline{{ID: "metrics", Signal: "metrics", Receivers: []string{"prometheus"}, Processors: []string{}, Exporters: []string{"store"}}}
	if diff := cmp.Diff(want, got.Pipelines); diff != "" || got.Instance == "" {
		t.Errorf("pipelines of instance %q (-want +got):\n%s", got.Instance, diff)
	}
	if len(got.Problems) != 1 {
		t.Fatalf("got problems %v; want one", got.Problems)
	}
	p := got.Problems[0]
	if p.Kind != "receiver" || p.Component != "prometheus" || p.Signal != "metrics" || !strings.Contains(p.Detail, "refused") || !strings.Contains(p.Detail, `job="gone"`) {
		t.Errorf("got problem %+v; want a refused connection of the receiver to the job", p)
	}
}
