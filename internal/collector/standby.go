package collector

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"cloud.google.com/go/compute/metadata"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/googlecloudexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/googlemanagedprometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/oidcauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/pprofextension"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/zpagesextension"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/signalbox-otel/signalbox/internal/collector/standby"
	"github.com/signalbox-otel/signalbox/internal/collector/storeexporter"
)

// standBy lets exporters and extensions that cannot start be tried again, instead
// of ending the start. The exporter to the store does not start only when the
// configuration has no store, which no waiting cures. Extensions that others ask
// for something as they start (storage, clients' credentials) must have started.
func standBy(f otelcol.Factories) {
	standby.WatchExtensions(f.Extensions, healthcheckextension.NewFactory().Type(), pprofextension.NewFactory().Type(),
		zpagesextension.NewFactory().Type(), oidcauthextension.NewFactory().Type())
	standby.Watch(f.Exporters, map[component.Type]standby.Gate{
		googlecloudexporter.NewFactory().Type():             googleCredentials,
		googlemanagedprometheusexporter.NewFactory().Type(): googleCredentials,
	}, storeexporter.NewFactory().Type())
}

// googleCredentials says whether Google's libraries would find credentials. They
// ask the metadata server once and never again, so on a node that is just
// starting they must not be asked before it answers.
func googleCredentials(ctx context.Context, cfg component.Config) error {
	if os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "" || !needsGoogle(cfg) {
		return nil
	}
	home, err := os.UserHomeDir()
	if err == nil {
		if _, err := os.Stat(filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")); err == nil {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if metadata.NewClient(nil).OnGCEWithContext(ctx) {
		return nil
	}
	return errors.New("google: could not find default credentials: there is no key file, and no metadata server answers")
}

// needsGoogle is false for configurations that bring credentials of their own, or
// talk to something else than Google.
func needsGoogle(cfg component.Config) bool {
	conf := confmap.New()
	if err := conf.Marshal(cfg); err != nil {
		return false
	}
	for _, signal := range []string{"trace", "metric", "log"} {
		if conf.Get(signal+"::use_insecure") == true {
			return false
		}
	}
	authenticator, _ := conf.Get("authenticator").(string)
	return authenticator == ""
}
