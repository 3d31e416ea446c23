package spanmetrics

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// The labels that every series has, unless they are excluded.
const (
	labelService  = "service.name"
	labelName     = "span.name"
	labelKind     = "span.kind"
	labelStatus   = "status.code"
	labelInstance = "collector.instance.id"
)

// labelSampling says of a series whether its counts are those of the spans or of
// what they were sampled from.
const labelSampling = "sampling.method"

// gates are the feature gates that change the metrics, and how they must be for
// this connector to make them.
var gates = map[string]bool{
	"connector.spanmetrics.excludeResourceMetrics":     false,
	"connector.spanmetrics.includeCollectorInstanceID": true,
	"connector.spanmetrics.legacyMetricNames":          false,
	"spanmetrics.statusCodeConvention.useOtelPrefix":   false,
}

// Takes says whether this package makes the metrics of a configuration, and its
// connector takes batches therefore. Contrib's makes the others.
func Takes(cfg component.Config) bool {
	c, ok := cfg.(*spanmetricsconnector.Config)
	if !ok || c.GetAggregationTemporality() == pmetric.AggregationTemporalityDelta || c.Events.Enabled || len(c.IncludeInstrumentationScope) > 0 ||
		c.ResourceMetricsCacheSize <= 0 || !c.Histogram.Disable && c.Histogram.Exponential.HasValue() {
		return false
	}
	for _, list := range [][]spanmetricsconnector.Dimension{c.Dimensions, c.CallsDimensions, c.Histogram.Dimensions} {
		if slices.ContainsFunc(list, func(d spanmetricsconnector.Dimension) bool { return d.Glob != "" }) {
			return false
		}
	}
	same := true
	featuregate.GlobalRegistry().VisitAll(func(g *featuregate.Gate) {
		if want, ok := gates[g.ID()]; ok && g.IsEnabled() != want {
			same = false
		}
	})
	return same
}

// plan is what a configuration asks for, worked out once.
type plan struct {
	interval        time.Duration
	resourceExpires time.Duration // 0 for never, as the next
	seriesExpires   time.Duration

	resources     int             // that are kept in memory
	limit         int             // series of a resource and table; 0 for no limit
	keyAttributes map[string]bool // those that make resources different; nil for all

	prefix    string // of the names of the metrics
	unit      string
	divider   float64 // nanoseconds in a unit
	bounds    []float64
	exemplars int // of a series in each report

	service, name, kind, status bool // which labels there are
	instance                    string
	sampling                    bool
	tables                      []shape
	looked                      []string // keys of all dimensions
}

// shape says what a table counts.
type shape struct {
	calls, durations bool
	dimensions       []dimension
}

// dimension is a label that is looked for in the attributes of a span, then of
// its resource.
type dimension struct {
	name     string
	fallback *string // the value when there is none; nil leaves the label out
}

// defaultBounds are those of contrib, in milliseconds.
var defaultBounds = []float64{2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000}

func newPlan(c *spanmetricsconnector.Config, own pcommon.Map) *plan {
	excluded := func(label string) bool { return slices.Contains(c.ExcludeDimensions, label) }
	p := &plan{
		interval: c.MetricsFlushInterval, resourceExpires: c.MetricsExpiration, seriesExpires: c.SeriesExpiration,
		resources: c.ResourceMetricsCacheSize, limit: c.AggregationCardinalityLimit,
		unit: c.Histogram.Unit.String(), divider: float64(time.Millisecond),
		service: !excluded(labelService), name: !excluded(labelName), kind: !excluded(labelKind), status: !excluded(labelStatus),
		sampling: c.EnableMetricsSamplingMethod,
	}
	if p.unit == "s" {
		p.divider = float64(time.Second)
	}
	if c.Namespace != "" {
		p.prefix = c.Namespace + "."
	}
	if c.Exemplars.Enabled {
		p.exemplars = c.Exemplars.MaxPerDataPoint
	}
	if !excluded(labelInstance) {
		p.instance = instance(own)
	}
	if len(c.ResourceMetricsKeyAttributes) > 0 {
		p.keyAttributes = map[string]bool{}
		for _, key := range c.ResourceMetricsKeyAttributes {
			p.keyAttributes[key] = true
		}
	}
	p.setBounds(c)
	p.setTables(c)
	return p
}

// instance tells the series of this collector from those of others.
func instance(own pcommon.Map) string {
	if v, ok := own.Get(labelInstance); ok {
		return v.AsString()
	}
	return uuid.NewString()
}

func (p *plan) setBounds(c *spanmetricsconnector.Config) {
	if !c.Histogram.Explicit.HasValue() {
		for _, ms := range defaultBounds {
			p.bounds = append(p.bounds, ms/(p.divider/float64(time.Millisecond)))
		}
		return
	}
	for _, d := range c.Histogram.Explicit.Get().Buckets {
		p.bounds = append(p.bounds, float64(d)/p.divider)
	}
}

// setTables counts calls and durations together where their labels are the same.
func (p *plan) setTables(c *spanmetricsconnector.Config) {
	calls := shape{calls: true, dimensions: append(dimensions(c.Dimensions), dimensions(c.CallsDimensions)...)}
	durations := shape{durations: true, dimensions: append(dimensions(c.Dimensions), dimensions(c.Histogram.Dimensions)...)}
	switch {
	case c.Histogram.Disable:
		p.tables = []shape{calls}
	case slices.EqualFunc(calls.dimensions, durations.dimensions, dimension.equal):
		calls.durations = true
		p.tables = []shape{calls}
	default:
		p.tables = []shape{calls, durations}
	}
	for _, t := range p.tables {
		for _, d := range t.dimensions {
			if !slices.Contains(p.looked, d.name) {
				p.looked = append(p.looked, d.name)
			}
		}
	}
}

func dimensions(list []spanmetricsconnector.Dimension) []dimension {
	made := make([]dimension, len(list))
	for i, d := range list {
		made[i] = dimension{d.Name, d.Default}
	}
	return made
}

func (d dimension) equal(e dimension) bool {
	return d.name == e.name && (d.fallback == nil) == (e.fallback == nil) && (d.fallback == nil || *d.fallback == *e.fallback)
}
