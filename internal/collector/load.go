package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// loaded is a configuration that was resolved, checked and found good. What
// runs is decoded from it, so nothing that changes on disk between the check
// and the start can slip in.
type loaded struct {
	conf     *confmap.Conf
	found    []migrate.Finding // of migration
	warnings *entries
}

// load resolves and checks the configuration. What is wrong with it is an
// *InvalidError.
func load(ctx context.Context, s Settings, factories otelcol.Factories) (*loaded, error) {
	resolved, src, err := resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	d := &decoder{body: body{conf: resolved.conf}, source: src, refused: refusals(resolved.found), rules: true}
	d.findings = slices.Clone(d.refused)
	cfg := d.config(ctx, factories)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.check(cfg, factories)
	if err := invalid(d.mistakes()); err != nil {
		return nil, err
	}
	// What is left is what components find only when they are built.
	if err := build(ctx, s, cfg, factories); err != nil {
		d.add("build", []string{"service", "pipelines"}, strings.TrimPrefix(err.Error(), "failed to build pipelines: "))
		return nil, invalid(d.mistakes())
	}
	resolved.found = append(resolved.found, ordered(d.findings)...)
	return resolved, nil
}

// Resolve returns the configuration that Run would run, merged and expanded but
// without defaults. What is wrong with it is an *InvalidError.
func Resolve(ctx context.Context, s Settings) (*confmap.Conf, error) {
	factories, err := s.factories()
	if err != nil {
		return nil, err
	}
	config, err := load(ctx, s, factories)
	if err != nil {
		return nil, err
	}
	return config.conf, nil
}

// resolve reads the locations, merges them, migrates what they say to what runs
// here and expands what they refer to.
func resolve(ctx context.Context, s Settings) (*loaded, *source, error) {
	uris := slices.Clone(s.ConfigURIs)
	if len(uris) == 0 {
		return nil, nil, errors.New("no configuration given: name one with --config")
	}
	for _, set := range s.Sets {
		uri, err := setURI(set)
		if err != nil {
			return nil, nil, err
		}
		uris = append(uris, uri)
	}
	src, findings, err := readSources(ctx, uris)
	if err = errors.Join(invalid(findings), err); err != nil {
		return nil, nil, err
	}
	found := s.migrated(src)
	warnings := newEntries()
	set := resolverSettings([]string{nodeScheme + ":"}, zap.New(warnings))
	set.ProviderFactories = append(set.ProviderFactories, confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return nodeProvider{src} }))
	resolver, err := confmap.NewResolver(set)
	if err != nil {
		return nil, nil, err
	}
	conf, err := resolver.Resolve(ctx)
	if err = errors.Join(err, resolver.Shutdown(ctx)); err != nil {
		return nil, nil, invalid([]migrate.Finding{mistake("unresolved", nil, strings.TrimPrefix(err.Error(), "cannot retrieve the configuration: "))})
	}
	warnings.forget("Configuration references unset environment variable") // a finding says where
	return &loaded{conf, found, warnings}, src, nil
}

func resolverSettings(uris []string, log *zap.Logger) confmap.ResolverSettings {
	return confmap.ResolverSettings{
		URIs:              uris,
		ProviderFactories: providerFactories(),
		DefaultScheme:     defaultScheme,
		ProviderSettings:  confmap.ProviderSettings{Logger: log},
	}
}

// setURI turns one --set, a.b=c, into the location of a configuration.
func setURI(set string) (string, error) {
	path, value, ok := strings.Cut(set, "=")
	if !ok {
		return "", fmt.Errorf("--set %s: missing equal sign, want path.to.key=value", set)
	}
	return "yaml:" + strings.ReplaceAll(strings.TrimSpace(path), ".", "::") + ": " + strings.TrimSpace(value), nil
}
