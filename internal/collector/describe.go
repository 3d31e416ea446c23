package collector

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/signalbox-otel/signalbox/internal/collector/queryextension"
	"github.com/signalbox-otel/signalbox/internal/server"
)

// Describe says how the components of a configuration are put together, without
// running it: what a collector that runs it answers about itself. Query is the
// address of its API, "" when it has none.
func Describe(ctx context.Context, s Settings) (t server.Topology, query string, err error) {
	factories, err := s.factories()
	if err != nil {
		return t, "", err
	}
	config, err := load(ctx, s, factories)
	if err != nil {
		return t, "", err
	}
	effective, err := effective(config.conf, factories)
	if err != nil {
		return t, "", err
	}
	extensions, _ := effective.Get("extensions").(map[string]any)
	for name, e := range extensions {
		e, _ := e.(map[string]any)
		if kind, _, _ := strings.Cut(name, "/"); kind == "query" {
			query, _ = e["endpoint"].(string)
		}
	}
	return queryextension.Describe(effective), query, nil
}

// effective is a checked configuration with its defaults, secrets hidden.
func effective(conf *confmap.Conf, factories otelcol.Factories) (*confmap.Conf, error) {
	cfg, err := decode(conf, factories)
	if err != nil {
		return nil, err
	}
	return marshalled(cfg)
}

func marshalled(cfg *otelcol.Config) (*confmap.Conf, error) {
	effective := confmap.New()
	if err := effective.Marshal(cfg); err != nil {
		return nil, fmt.Errorf("printing the configuration with its defaults: %w", err)
	}
	return effective, nil
}
