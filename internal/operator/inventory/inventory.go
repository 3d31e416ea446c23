// Package inventory counts the collector resources in the cluster and what they
// are made of, as metrics of the operator.
//
// Each scrape reads the cache, so that the numbers are those of the resources
// that there are: neither a dry run nor a restart moves them.
//
// Invariants: of several replicas only the leader reports, or sums would count
// twice. Nothing is kept between scrapes.
package inventory

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// prefix of the metrics, which dashboards of opentelemetry-operator use.
const prefix = "opentelemetry_collector_"

// labels of all metrics.
var labels = []string{"collector_name", "namespace", "type"}

// collector reads resources at each scrape. It exists to be a
// prometheus.Collector.
type collector struct {
	reader client.Reader
	// elected is closed when this replica leads.
	elected <-chan struct{}
	info    *prometheus.Desc
	parts   map[string]*prometheus.Desc
}

// Add registers the metrics of the resources in the manager's cache.
func Add(mgr ctrl.Manager, registry prometheus.Registerer) error {
	if err := registry.Register(newCollector(mgr.GetCache(), mgr.Elected())); err != nil {
		return fmt.Errorf("registering the metrics of collectors: %w", err)
	}
	return nil
}

func newCollector(reader client.Reader, elected <-chan struct{}) *collector {
	c := &collector{
		reader: reader, elected: elected, parts: map[string]*prometheus.Desc{},
		info: prometheus.NewDesc(prefix+"info", "Collectors by their mode, which is the label type.", labels, nil),
	}
	for _, section := range []string{"receivers", "exporters", "processors", "extensions", "connectors"} {
		c.parts[section] = prometheus.NewDesc(prefix+section, "How many "+section+" of a type the configuration of a collector has.", labels, nil)
	}
	return c
}

// Describe names the metrics.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- c.info
	for _, d := range c.parts {
		to <- d
	}
}

// timeout bounds a scrape while the cache is not filled yet.
const timeout = 5 * time.Second

// Collect counts.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var all v1beta1.OpenTelemetryCollectorList
	if err := c.reader.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil { // they are only read
		to <- prometheus.NewInvalidMetric(c.info, fmt.Errorf("listing collectors: %w", err))
		return
	}
	for i := range all.Items {
		cr := &all.Items[i]
		count := func(d *prometheus.Desc, n int, typ string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), cr.Name, cr.Namespace, typ)
		}
		count(c.info, 1, string(cmp.Or(cr.Spec.Mode, v1beta1.ModeDeployment)))
		conf := &cr.Spec.Config
		for section, s := range map[string]*v1beta1.AnyConfig{
			"receivers": &conf.Receivers, "exporters": &conf.Exporters,
			"processors": conf.Processors, "extensions": conf.Extensions, "connectors": conf.Connectors,
		} {
			for typ, n := range types(s) {
				count(c.parts[section], n, typ)
			}
		}
	}
}

// types counts the components of a section by type: what stands before the slash
// of an id.
func types(s *v1beta1.AnyConfig) map[string]int {
	n := map[string]int{}
	if s != nil {
		for id := range s.Object {
			typ, _, _ := strings.Cut(id, "/")
			n[strings.ToValidUTF8(strings.TrimSpace(typ), "�")]++
		}
	}
	return n
}
