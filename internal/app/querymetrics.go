package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

func newQueryMetrics() *cobra.Command {
	var f queryFlags
	var over, step time.Duration
	cmd := &cobra.Command{
		Use:   "metrics PROMQL",
		Short: "Evaluate a PromQL expression",
		Long: `Metrics evaluates a PromQL expression now, or with --over as a line over time.
The server speaks Prometheus' HTTP API, so promtool and Grafana give the same.`,
		Example: `  signalbox query metrics up
  signalbox query metrics 'sum by (service_name) (rate(traces_span_metrics_calls_total[5m]))' --over 1h
  signalbox query metrics '{__name__=~".*duration.*"}' -o json`,
		Args: exactArgs(1, "one PromQL expression, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
			defer cancel()
			client, err := promapi.NewClient(promapi.Config{Address: f.address()})
			if err != nil {
				return usageError{fmt.Errorf("--server %q: %w", f.server, err)}
			}
			value, warnings, err := evaluate(ctx, promv1.NewAPI(client), args[0], over, step)
			if err != nil {
				return f.unreachable(err)
			}
			for _, warning := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", warning)
			}
			if f.output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"resultType": value.Type().String(), "result": value})
			}
			return writeMetrics(cmd.OutOrStdout(), value)
		},
	}
	addQueryFlags(cmd, &f, 0)
	cmd.Flags().Var(span{&over}, "over", "show values over this long instead of the present one")
	cmd.Flags().Var(span{&step}, "step", "distance of the values of --over (default: 60 values)")
	return cmd
}

func evaluate(ctx context.Context, api promv1.API, promql string, over, step time.Duration) (model.Value, promv1.Warnings, error) {
	now := time.Now()
	if over <= 0 {
		return api.Query(ctx, promql, now)
	}
	if step <= 0 {
		step = max(over/60, time.Second)
	}
	return api.QueryRange(ctx, promql, promv1.Range{Start: now.Add(-over), End: now, Step: step})
}

func writeMetrics(w io.Writer, value model.Value) error {
	width, st := terminalOf(w)
	switch v := value.(type) {
	case *model.Scalar:
		_, err := fmt.Fprintln(w, formatSample(float64(v.Value)))
		return err
	case *model.String:
		_, err := fmt.Fprintln(w, printable(v.Value))
		return err
	case model.Vector:
		t := newTable(">VALUE", "SERIES")
		for _, s := range v {
			text := formatSample(float64(s.Value))
			if s.Histogram != nil {
				text = fmt.Sprintf("%s observed, sum %s", formatSample(float64(s.Histogram.Count)), formatSample(float64(s.Histogram.Sum)))
			}
			t.add(text, s.Metric.String())
		}
		return t.writeOr(w, width, st, "No series has a value now.")
	case model.Matrix:
		t := newTable(">LAST", ">LOWEST", ">HIGHEST", "OVER TIME", "SERIES")
		for _, s := range v {
			last, low, high, line := spark(s.Values)
			t.add(last, low, high, line, s.Metric.String())
		}
		return t.writeOr(w, width, st, "No series has a value in this range.")
	}
	return fmt.Errorf("unknown kind of answer %s", value.Type())
}

// spark draws values as a line of block characters between the lowest and the
// highest of them.
func spark(values []model.SamplePair) (last, lowest, highest, line string) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = math.Min(low, float64(v.Value)), math.Max(high, float64(v.Value))
	}
	if len(values) == 0 {
		return "", "", "", ""
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		i := 0.0
		if high > low {
			i = (float64(v.Value) - low) / (high - low) * float64(len(blocks)-1)
		}
		if math.IsNaN(i) {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(blocks[int(i)])
	}
	return formatSample(float64(values[len(values)-1].Value)), formatSample(low), formatSample(high), b.String()
}

func formatSample(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }
