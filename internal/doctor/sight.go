package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// sight is what the collector tells about itself at one moment, as numbers by
// what, component and signal.
type sight struct {
	numbers map[string]float64
	// errors are the texts of losses, by the same keys.
	errors map[string]string
}

// What numbers are about. Losses have keys of their own, see lossKey.
const (
	accepted = "accepted"
	sent     = "sent"
	queued   = "queued"
	capacity = "capacity"
	idle     = "idle" // 1 for an exporter that could not start
	held     = "held" // items that wait for its start
)

// uptime is the key of how long the collector has run, in seconds.
const uptime = "uptime"

func key(what, component, signal string) string { return what + " " + signal + " " + component }

func lossKey(outcome, reason, kind, component, signal string) string {
	return strings.Join([]string{outcome, reason, kind, signal, component}, " ")
}

// unitOf is what a signal consists of, in the names of the collector's metrics.
var unitOf = map[string]string{"traces": "spans", "metrics": "metric_points", "logs": "log_records"}

// look looks at the metrics, and at the API's account of losses where there is
// one: it has the texts of errors.
func (e *examination) look(ctx context.Context) sight {
	s := sight{map[string]float64{}, map[string]string{}}
	if !e.blind {
		for _, url := range e.metricsURLs() {
			if families, err := e.scrape(ctx, url); err == nil {
				s.read(families)
			}
		}
	}
	if e.api.address != "" {
		if t, err := e.api.topology(ctx); err == nil {
			for _, l := range t.Losses {
				k := lossKey(l.Outcome, l.Reason, l.Kind, l.Component, l.Signal)
				s.numbers[k], s.errors[k] = float64(l.Items), l.Error
			}
		}
	}
	return s
}

// sample is one number of the collector's metrics.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// metricsURLs are where the collector's own metrics are read.
func (e *examination) metricsURLs() []string {
	if len(e.options.Metrics) > 0 || e.topology.Telemetry == "" {
		return e.options.Metrics
	}
	return []string{"http://" + dialable(e.topology.Telemetry) + "/metrics"}
}

// scrape reads metrics in Prometheus' text format.
func (e *examination) scrape(ctx context.Context, url string) ([]sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.options.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bufio.NewReader(io.LimitReader(resp.Body, maxAnswer)))
	if err != nil {
		return nil, err
	}
	var all []sample
	for name, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			all = append(all, sample{name, labels, m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()})
		}
	}
	return all, nil
}

// read keeps those that matter. The names have _total or not, by configuration.
func (s *sight) read(samples []sample) {
	for _, m := range samples {
		name := strings.TrimSuffix(m.name, "_total")
		for signal, unit := range unitOf {
			switch name {
			case "otelcol_receiver_accepted_" + unit:
				s.numbers[key(accepted, m.labels["receiver"], signal)] += m.value
			case "otelcol_exporter_sent_" + unit:
				s.numbers[key(sent, m.labels["exporter"], signal)] += m.value
			}
		}
		switch name {
		case "signalbox_exporter_not_started":
			s.numbers[key(idle, m.labels["exporter"], m.labels["signal"])] += m.value
		case "signalbox_exporter_held_items":
			s.numbers[key(held, m.labels["exporter"], m.labels["signal"])] += m.value
		case "otelcol_process_uptime_seconds", "otelcol_process_uptime":
			s.numbers[uptime] = max(s.numbers[uptime], m.value)
		case "otelcol_exporter_queue_size":
			s.numbers[key(queued, m.labels["exporter"], m.labels["data_type"])] += m.value
		case "otelcol_exporter_queue_capacity":
			s.numbers[key(capacity, m.labels["exporter"], m.labels["data_type"])] += m.value
		case "signalbox_pipeline_refused_items", "signalbox_pipeline_dropped_items", "signalbox_pipeline_failed_items", "signalbox_pipeline_retries":
			outcome := strings.Split(name, "_")[2]
			if outcome == "retries" {
				outcome = "retried"
			}
			s.numbers[lossKey(outcome, m.labels["reason"], m.labels["kind"], m.labels["component"], m.labels["signal"])] += m.value
		}
	}
}

// since is how much a number has grown.
func (s sight) since(before sight, key string) float64 {
	if d := s.numbers[key] - before.numbers[key]; d > 0 {
		return d
	}
	return 0
}

// lost is what a component lost of a signal since a moment.
func (s sight) lost(before sight, kind, component, signal string) []loss {
	var list []loss
	for k := range s.numbers {
		f := strings.SplitN(k, " ", 5)
		if len(f) != 5 || f[2] != kind || f[3] != signal || f[4] != component {
			continue
		}
		if n := s.since(before, k); n > 0 {
			list = append(list, loss{Kind: kind, Component: component, Signal: signal, Outcome: f[0], Reason: f[1], Items: int64(n), Error: s.errors[k]})
		}
	}
	return list
}

// dialable is an address that a client on this machine can use.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
