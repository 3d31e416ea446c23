package opencensusreceiver

import (
	"context"
	"maps"
	"sync"
	"weak"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// NewFactory makes the factory of receiver type opencensus.
func NewFactory() receiver.Factory {
	s := &servers{byConfig: map[*Config]weak.Pointer[server]{}}
	return receiver.NewFactory(component.MustNewType("opencensus"), newDefaultConfig,
		receiver.WithTraces(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Traces) (receiver.Traces, error) {
			return s.with(set, cfg.(*Config), func(r *server) **part { return &r.traces }, tracesPart(next))
		}, component.StabilityLevelBeta),
		receiver.WithMetrics(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			return s.with(set, cfg.(*Config), func(r *server) **part { return &r.metrics }, metricsPart(next))
		}, component.StabilityLevelBeta))
}

// servers finds the server that receivers of one configuration share. It holds
// none alive: the pipelines that have them do.
type servers struct {
	mu       sync.Mutex
	byConfig map[*Config]weak.Pointer[server]
}

// with gives the server of config the part for one signal. A configuration is
// built once to be checked and once more to run; a server that has the part is
// of the build before.
func (s *servers) with(set receiver.Settings, config *Config, signal func(*server) **part, p *part) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.byConfig, func(_ *Config, p weak.Pointer[server]) bool { return p.Value() == nil })
	if err := p.observe(set); err != nil {
		return nil, err
	}
	r := s.byConfig[config].Value()
	if r == nil || *signal(r) != nil {
		r = newServer(set, config)
		s.byConfig[config] = weak.Make(r)
	}
	*signal(r) = p
	return r, nil
}
