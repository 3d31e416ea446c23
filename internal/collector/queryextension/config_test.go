package queryextension

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/confmap"

	"github.com/signalbox-otel/signalbox/internal/server"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func load(t *testing.T, values map[string]any) (*Config, error) {
	t.Helper()
	c := NewDefaultConfig()
	if err := confmap.NewFromStringMap(values).Unmarshal(c); err != nil {
		return nil, err
	}
	return c, confmap.Validate(c)
}

func TestConfigIsRead(t *testing.T) {
	c, err := load(t, map[string]any{
		"endpoint": "0.0.0.0:14316", "directory": "/data", "sync": "interval",
		"retention": map[string]any{"max_age": "720h", "max_size": "20GiB"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.NetAddr.Endpoint != "0.0.0.0:14316" || c.Directory != "/data" || c.Sync != store.SyncInterval || c.Retention.MaxAge != 720*time.Hour {
		t.Errorf("got %+v", c)
	}
	if bytes, err := c.Retention.maxBytes("/"); bytes != 20<<30 || err != nil {
		t.Errorf("max_size 20GiB: got %d, %v; want %d", bytes, err, int64(20)<<30)
	}
}

func TestConfigMistakes(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"directory is missing":                     {},
		"endpoint is missing":                      {"directory": "d", "endpoint": ""},
		"max_age is 1m0s: it must be at least 1h":  {"directory": "d", "retention": map[string]any{"max_age": "1m"}},
		`max_size: "lots" is not a size`:           {"directory": "d", "retention": map[string]any{"max_size": "lots"}},
		`max_size: "0%" is not a share`:            {"directory": "d", "retention": map[string]any{"max_size": "0%"}},
		`max_size: "NaN%" is not a share`:          {"directory": "d", "retention": map[string]any{"max_size": "NaN%"}},
		`max_size: "1KiB" is too small`:            {"directory": "d", "retention": map[string]any{"max_size": "1KiB"}},
		`sync mode "never" is neither "group" nor`: {"directory": "d", "sync": "never"},
		"has invalid keys: retension":              {"directory": "d", "retension": map[string]any{}},
	} {
		if _, err := load(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v; want %q", values, err, want)
		}
	}
}

// A share of the disk is of the disk that holds the directory.
func TestRetentionShareOfDisk(t *testing.T) {
	ten, err := (&Retention{MaxSize: "10%"}).maxBytes(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	twenty, err := (&Retention{MaxSize: "20%"}).maxBytes(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if ten < minBytes || twenty < ten || ten > minBytes && (twenty < 2*ten-1 || twenty > 2*ten+1) {
		t.Errorf("got %d for 10%%, %d for 20%%", ten, twenty)
	}
}

func TestReceiverEndpoints(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{
		"receivers": map[string]any{
			"otlp": map[string]any{"protocols": map[string]any{
				"grpc": map[string]any{"endpoint": "localhost:4317"}, "http": map[string]any{"endpoint": "localhost:4318"}}},
			"zipkin":        map[string]any{"endpoint": "localhost:9411"},
			"zipkin/unused": map[string]any{"endpoint": "localhost:9412"},
			"prometheus":    map[string]any{"config": map[string]any{"http": map[string]any{"endpoint": "elsewhere"}}},
		},
		"service": map[string]any{"pipelines": map[string]any{"traces": map[string]any{"receivers": []any{"otlp", "zipkin", "prometheus"}}}},
	})
	want := []server.Endpoint{{Name: "otlp grpc", URL: "localhost:4317"}, {Name: "otlp http", URL: "localhost:4318"}, {Name: "zipkin", URL: "localhost:9411"}}
	if diff := cmp.Diff(want, receiverEndpoints(conf)); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}
