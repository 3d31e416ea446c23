package collector

import (
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/pipelines"

	"github.com/signalbox-otel/signalbox/internal/collector/servicegraph"
	"github.com/signalbox-otel/signalbox/internal/collector/spanmetrics"
	"github.com/signalbox-otel/signalbox/internal/collector/storeexporter"
)

// straight decides which requests go to the store as they came, beside pdata
// (see package wire), from a configuration as it will run. One goroutine
// decides; receivers that are made afterwards ask.
type straight struct {
	mu    sync.Mutex
	bends map[way]string
}

// way is where the requests of one signal to a receiver go.
type way struct {
	receiver component.ID
	signal   pipeline.Signal
}

// decide looks at all ways of cfg, which effective is in text.
func (s *straight) decide(cfg *otelcol.Config, effective *confmap.Conf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bends = ways(cfg, effective)
}

// goes says whether the requests of a signal go straight.
func (s *straight) goes(receiver component.ID, signal pipeline.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	bend, known := s.bends[way{receiver, signal}]
	return known && bend == ""
}

// ways says of each way from an otlp receiver why requests must be decoded into
// pdata; "" when they need not.
func ways(cfg *otelcol.Config, effective *confmap.Conf) map[way]string {
	found := map[way]string{}
	for id, p := range cfg.Service.Pipelines {
		for _, r := range p.Receivers {
			if _, ok := cfg.Receivers[r].(*otlpreceiver.Config); !ok {
				continue
			}
			w := way{r, id.Signal()}
			if found[w] == "" {
				found[w] = bend(cfg, effective, id, p)
			}
		}
	}
	return found
}

// bend is the first part of a pipeline that needs pdata; "" for none.
func bend(cfg *otelcol.Config, effective *confmap.Conf, id pipeline.ID, p *pipelines.PipelineConfig) string {
	if id.Signal() != pipeline.SignalTraces && id.Signal() != pipeline.SignalLogs {
		return "the store keeps no batches of " + id.Signal().String()
	}
	if effective.Get("service::telemetry::metrics::level") == "Detailed" {
		return "service::telemetry::metrics::level is detailed, which measures sizes in pdata"
	}
	for _, c := range p.Processors {
		if _, ok := cfg.Processors[c].(*memorylimiterprocessor.Config); !ok {
			return fmt.Sprintf("pipeline %s has processor %s", id, c)
		}
	}
	stores := false
	for _, c := range p.Exporters {
		if _, ok := cfg.Exporters[c].(*storeexporter.Config); ok {
			stores = true
		} else if !takesBatches(cfg.Connectors[c]) {
			return fmt.Sprintf("pipeline %s has exporter %s", id, c)
		}
	}
	if !stores {
		return fmt.Sprintf("pipeline %s does not end in the store", id)
	}
	return ""
}

// takesBatches says whether the connector of a configuration takes batches,
// which is known before it is made. The configuration is nil for what is no
// connector.
func takesBatches(cfg component.Config) bool {
	return spanmetrics.Takes(cfg) || servicegraph.Takes(cfg)
}
