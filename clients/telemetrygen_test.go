package clients

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The collector project's own load generator, as its documentation runs it.
func TestTelemetrygen(t *testing.T) {
	t.Parallel()
	generator := telemetrygen(t)
	generate := func(t *testing.T, args ...string) {
		t.Helper()
		if _, err := generator.output(t, nil, append(args, "--otlp-insecure")...); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("traces", func(t *testing.T) {
		t.Parallel()
		generate(t, "traces", "--otlp-endpoint", box.addr("otlp-grpc-port"),
			"--service", "telemetrygen-traces", "--traces", "3", "--child-spans", "2", "--rate", "0")
		eventually(t, func(ctx context.Context) error {
			names, err := box.jaegerJSON(ctx, "/api/traces?limit=100&lookback=1h&service=telemetrygen-traces")
			if err != nil {
				return err
			}
			got := map[string]int{}
			for _, name := range names {
				got[name]++
			}
			want := map[string]int{"lets-go": 3, "okey-dokey-0": 3, "okey-dokey-1": 3}
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("spans by name (-want +got):\n%s", diff)
			}
			return nil
		})
	})
	t.Run("metrics", func(t *testing.T) {
		t.Parallel()
		// The n-th point's value is n-1.
		generate(t, "metrics", "--otlp-endpoint", box.addr("otlp-http-port"), "--otlp-http",
			"--service", "telemetrygen-metrics", "--metrics", "4", "--rate", "20",
			"--metric-type", "Sum", "--otlp-metric-name", "gen.made")
		wantValue(t, `gen_made_total{job="telemetrygen-metrics"}`, 3)
	})
	t.Run("logs", func(t *testing.T) {
		t.Parallel()
		generate(t, "logs", "--otlp-endpoint", box.addr("otlp-http-port"), "--otlp-http",
			"--service", "telemetrygen-logs", "--logs", "3", "--rate", "0",
			"--body", "made by telemetrygen", "--severity-text", "Warn", "--severity-number", "13")
		record := logRecord{Severity: 13, SeverityText: "Warn", Body: "made by telemetrygen", Attributes: []logAttribute{{"app", "string", "server"}}}
		wantLogs(t, "telemetrygen-logs", []logRecord{record, record, record})
	})
}

func telemetrygen(t *testing.T) program {
	t.Helper()
	return goProgram(t, "telemetrygen", "../tools/telemetrygen",
		"github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen")
}
