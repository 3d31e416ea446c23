package clients

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
)

// Prometheus' own client sends by remote write, in both versions of the
// protocol, and Prometheus' own API client finds it.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	now := time.Now().UnixMilli()
	for _, c := range []struct {
		metric  string
		version remote.WriteMessageType
		message any
	}{
		{"remote_write_v1_jobs_total", remote.WriteV1MessageType, &prompb.WriteRequest{
			Timeseries: []prompb.TimeSeries{{
				Labels: []prompb.Label{
					{Name: "__name__", Value: "remote_write_v1_jobs_total"},
					{Name: "instance", Value: "batch-1"},
					{Name: "job", Value: "batch"},
				},
				Samples: []prompb.Sample{{Value: 1, Timestamp: now - 1000}, {Value: 5, Timestamp: now}},
			}},
		}},
		{"remote_write_v2_jobs_total", remote.WriteV2MessageType, &writev2.Request{
			Symbols: []string{"", "__name__", "remote_write_v2_jobs_total", "instance", "batch-1", "job", "batch"},
			Timeseries: []*writev2.TimeSeries{{
				LabelsRefs: []uint32{1, 2, 3, 4, 5, 6},
				Samples:    []*writev2.Sample{{Value: 1, Timestamp: now - 1000}, {Value: 5, Timestamp: now}},
			}},
		}},
	} {
		t.Run(string(c.version), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			client, err := remote.NewAPI(box.url("port"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write(ctx, c.version, c.message); err != nil {
				t.Fatal(err)
			}
			wantSamples(t, c.metric, []float64{1, 5})
		})
	}
}

// wantSamples asks Prometheus' API client for a series' samples.
func wantSamples(t *testing.T, metric string, want []float64) {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: box.url("port")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		answer, _, err := promv1.NewAPI(client).Query(ctx, metric+"[5m]", time.Now())
		if err != nil {
			return err
		}
		matrix, ok := answer.(model.Matrix)
		if !ok || len(matrix) != 1 {
			return fmt.Errorf("%s is %v; want one series", metric, answer)
		}
		var got []float64
		for _, sample := range matrix[0].Values {
			got = append(got, float64(sample.Value))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("samples of %s (-want +got):\n%s", metric, diff)
		}
		return nil
	})
}

func promtool(t *testing.T) program {
	t.Helper()
	return goProgram(t, "promtool", "../tools/promtool", "github.com/prometheus/prometheus/cmd/promtool")
}

// Prometheus' command line pushes samples, and asks for them in every way that
// it knows. (Its --protobuf_message for version 2 is left alone: it sends a
// version 1 body under version 2's name, in which there is nothing to read.)
func TestPromtool(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	file := filepath.Join(t.TempDir(), "samples")
	samples := "# TYPE promtool_backups_total counter\npromtool_backups_total{host=\"db1\"} 12\npromtool_backups_total{host=\"db2\"} 30\n"
	if err := os.WriteFile(file, []byte(samples), 0o644); err != nil {
		t.Fatal(err)
	}
	server := box.url("port")
	if _, err := tool.output(t, nil, "push", "metrics", "--label", "job=nightly", server, file); err != nil {
		t.Fatal(err)
	}
	const selector = `promtool_backups_total{job="nightly"}`
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"query", "instant", server, "sum(" + selector + ")"}, "{} => 42 @["},
		{[]string{"query", "range", server, selector}, `host="db2"`},
		{[]string{"query", "series", "--match", selector, server}, `{__name__="promtool_backups_total", host="db1", job="nightly"}`},
		{[]string{"query", "labels", "--match", selector, server, "host"}, "db1\ndb2\n"},
	} {
		eventually(t, func(context.Context) error {
			out, err := tool.output(t, nil, c.args...)
			if err == nil && !strings.Contains(out, c.want) {
				err = fmt.Errorf("promtool %q prints %q; want %q in it", c.args, out, c.want)
			}
			return err
		})
	}
}
