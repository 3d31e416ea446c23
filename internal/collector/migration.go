package collector

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// serviceAccountToken is where Kubernetes puts what a pod needs to talk to it.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// InPod reports whether this process runs in a pod of Kubernetes.
func InPod() bool {
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return true
	}
	_, err := os.Stat(serviceAccountToken)
	return err == nil
}

// migrated rewrites the configuration to what this distribution runs, and
// returns what was found; what cannot be kept is among the findings of the
// decoder.
func (s Settings) migrated(src *source) []migrate.Finding {
	o := s.Migrate
	o.LookupEnv, o.File = os.LookupEnv, src.file
	found := append(slices.Clone(s.Findings), migrate.Config(src.root, o)...)
	return slices.DeleteFunc(found, func(f migrate.Finding) bool {
		// What is built in may be left unused by what is put over it.
		return f.Rule == "unused-component" && f.File == ""
	})
}

// refusals are the findings of what cannot be kept.
func refusals(found []migrate.Finding) []migrate.Finding {
	var all []migrate.Finding
	for _, f := range found {
		if f.Severity == migrate.Error {
			all = append(all, f)
		}
	}
	return all
}

// nodeProvider is a confmap provider of one location, the nodes of a source.
type nodeProvider struct{ *source }

// nodeScheme is the scheme of that location.
const nodeScheme = "signalbox"

func (p nodeProvider) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	var values map[string]any
	if err := p.root.Decode(&values); err != nil {
		return nil, err
	}
	return confmap.NewRetrieved(values)
}

func (nodeProvider) Scheme() string                 { return nodeScheme }
func (nodeProvider) Shutdown(context.Context) error { return nil }

// migrations counts what was found in the configurations that ran, and tells
// each finding once.
type migrations struct {
	mu     sync.Mutex
	counts map[[2]string]int64 // by rule and severity
	told   map[string]bool
}

func newMigrations() *migrations {
	return &migrations{counts: map[[2]string]int64{}, told: map[string]bool{}}
}

// started counts and logs the findings of a configuration that runs now.
func (m *migrations) started(found []migrate.Finding, log *zap.Logger) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range found {
		m.counts[[2]string{f.Rule, string(f.Severity)}]++
		if m.told[f.String()] {
			continue
		}
		m.told[f.String()] = true
		level := zapcore.WarnLevel
		if f.Severity == migrate.Changed {
			level = zapcore.InfoLevel
		}
		log.Log(level, migrationMessages[f.Severity], zap.String("finding", f.String()), zap.String("rule", f.Rule))
	}
}

// migrationMessages are what is logged about findings.
var migrationMessages = map[migrate.Severity]string{
	migrate.Changed: "configuration migrated",
	migrate.Ignored: "configuration has what does nothing any more",
	migrate.Warning: "configuration has what is likely not meant",
	migrate.Error:   "configuration has what cannot be kept",
}

// instrument adds the counter of findings to a meter.
func (m *migrations) instrument(meter metric.Meter) error {
	_, err := meter.Int64ObservableCounter(
		"signalbox_migrate_findings_total",
		metric.WithDescription("What migration changed or noticed in the configurations that ran."),
		metric.WithUnit("{findings}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			for key, n := range m.counts {
				o.Observe(n, metric.WithAttributes(attribute.String("rule", key[0]), attribute.String("severity", key[1])))
			}
			return nil
		}))
	return err
}

// printFindings writes one finding on each line.
func printFindings(w io.Writer, found []migrate.Finding) {
	for _, f := range found {
		fmt.Fprintln(w, f)
	}
}
