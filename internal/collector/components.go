package collector

import (
	"context"
	"runtime/debug"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/countconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/routingconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/clickhouseexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/googlecloudexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/googlemanagedprometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/loadbalancingexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusremotewriteexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/zipkinexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/basicauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/bearertokenauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/oidcauthextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/opampextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/pprofextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/cumulativetodeltaprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbyattrsprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbytraceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/k8sattributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sobjectsreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kafkareceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/kubeletstatsreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusremotewritereceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/zipkinreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/httpprovider"
	"go.opentelemetry.io/collector/confmap/provider/httpsprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/forwardconnector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/nopexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/zpagesextension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"

	"github.com/signalbox-otel/signalbox/internal/collector/filestorage"
	"github.com/signalbox-otel/signalbox/internal/collector/jaegerexporter"
	"github.com/signalbox-otel/signalbox/internal/collector/jaegerreceiver"
	"github.com/signalbox-otel/signalbox/internal/collector/opencensusexporter"
	"github.com/signalbox-otel/signalbox/internal/collector/opencensusreceiver"
	"github.com/signalbox-otel/signalbox/internal/collector/otlpreceiver"
	"github.com/signalbox-otel/signalbox/internal/collector/queryextension"
	"github.com/signalbox-otel/signalbox/internal/collector/resourcedetection"
	"github.com/signalbox-otel/signalbox/internal/collector/servicegraph"
	"github.com/signalbox-otel/signalbox/internal/collector/spanmetrics"
	"github.com/signalbox-otel/signalbox/internal/collector/storeexporter"
)

// The roots of the modules that components come from.
const (
	core    = "go.opentelemetry.io/collector/"
	contrib = "github.com/open-telemetry/opentelemetry-collector-contrib/"
	ours    = "github.com/signalbox-otel/signalbox"
)

// listed is one component of the distribution and the Go module it comes from,
// which the components command prints.
type listed[F component.Factory] struct {
	factory F
	module  string
}

// receivers lists the receivers.
func receivers() []listed[receiver.Factory] {
	return []listed[receiver.Factory]{
		{otlpreceiver.NewFactory(), ours},
		{prometheusreceiver.NewFactory(), contrib + "receiver/prometheusreceiver"},
		{statsdreceiver.NewFactory(), contrib + "receiver/statsdreceiver"},
		{hostmetricsreceiver.NewFactory(), contrib + "receiver/hostmetricsreceiver"},
		{filelogreceiver.NewFactory(), contrib + "receiver/filelogreceiver"},
		{k8sclusterreceiver.NewFactory(), contrib + "receiver/k8sclusterreceiver"},
		{kubeletstatsreceiver.NewFactory(), contrib + "receiver/kubeletstatsreceiver"},
		{k8sobjectsreceiver.NewFactory(), contrib + "receiver/k8sobjectsreceiver"},
		{jaegerreceiver.NewFactory(), ours},
		{opencensusreceiver.NewFactory(), ours},
		{zipkinreceiver.NewFactory(), contrib + "receiver/zipkinreceiver"},
		{kafkareceiver.NewFactory(), contrib + "receiver/kafkareceiver"},
		{prometheusremotewritereceiver.NewFactory(), contrib + "receiver/prometheusremotewritereceiver"},
		{kubeletStats(kubeletstatsreceiver.NewFactory()), contrib + "receiver/kubeletstatsreceiver"},
	}
}

// processors lists the processors.
func processors() []listed[processor.Factory] {
	return []listed[processor.Factory]{
		{batchprocessor.NewFactory(), core + "processor/batchprocessor"},
		{memorylimiterprocessor.NewFactory(), core + "processor/memorylimiterprocessor"},
		{resourcedetection.NewFactory(), ours},
		{k8sattributesprocessor.NewFactory(), contrib + "processor/k8sattributesprocessor"},
		{attributesprocessor.NewFactory(), contrib + "processor/attributesprocessor"},
		{resourceprocessor.NewFactory(), contrib + "processor/resourceprocessor"},
		{transformprocessor.NewFactory(), contrib + "processor/transformprocessor"},
		{filterprocessor.NewFactory(), contrib + "processor/filterprocessor"},
		{tailsamplingprocessor.NewFactory(), contrib + "processor/tailsamplingprocessor"},
		{probabilisticsamplerprocessor.NewFactory(), contrib + "processor/probabilisticsamplerprocessor"},
		{groupbytraceprocessor.NewFactory(), contrib + "processor/groupbytraceprocessor"},
		{groupbyattrsprocessor.NewFactory(), contrib + "processor/groupbyattrsprocessor"},
		{cumulativetodeltaprocessor.NewFactory(), contrib + "processor/cumulativetodeltaprocessor"},
	}
}

// exporters lists the exporters.
func exporters() []listed[exporter.Factory] {
	return []listed[exporter.Factory]{
		{debugexporter.NewFactory(), core + "exporter/debugexporter"},
		{nopexporter.NewFactory(), core + "exporter/nopexporter"},
		{otlpexporter.NewFactory(), core + "exporter/otlpexporter"},
		{otlphttpexporter.NewFactory(), core + "exporter/otlphttpexporter"},
		{prometheusexporter.NewFactory(), contrib + "exporter/prometheusexporter"},
		{prometheusremotewriteexporter.NewFactory(), contrib + "exporter/prometheusremotewriteexporter"},
		{googlecloudexporter.NewFactory(), contrib + "exporter/googlecloudexporter"},
		{googlemanagedprometheusexporter.NewFactory(), contrib + "exporter/googlemanagedprometheusexporter"},
		{kafkaexporter.NewFactory(), contrib + "exporter/kafkaexporter"},
		{fileexporter.NewFactory(), contrib + "exporter/fileexporter"},
		{loadbalancingexporter.NewFactory(), contrib + "exporter/loadbalancingexporter"},
		{clickhouseexporter.NewFactory(), contrib + "exporter/clickhouseexporter"},
		{zipkinexporter.NewFactory(), contrib + "exporter/zipkinexporter"},
		{jaegerexporter.NewFactory(), ours},
		{jaegerexporter.NewThriftFactory(), ours},
		{opencensusexporter.NewFactory(), ours},
		{storeexporter.NewFactory(), ours},
	}
}

// connectors lists the connectors.
func connectors() []listed[connector.Factory] {
	return []listed[connector.Factory]{
		{forwardconnector.NewFactory(), core + "connector/forwardconnector"},
		{spanmetrics.NewFactory(), ours},
		{servicegraph.NewFactory(), ours},
		{countconnector.NewFactory(), contrib + "connector/countconnector"},
		{routingconnector.NewFactory(), contrib + "connector/routingconnector"},
	}
}

// extensions lists the extensions.
func extensions() []listed[extension.Factory] {
	return []listed[extension.Factory]{
		{healthcheckextension.NewFactory(), contrib + "extension/healthcheckextension"},
		{pprofextension.NewFactory(), contrib + "extension/pprofextension"},
		{zpagesextension.NewFactory(), core + "extension/zpagesextension"},
		{basicauthextension.NewFactory(), contrib + "extension/basicauthextension"},
		{bearertokenauthextension.NewFactory(), contrib + "extension/bearertokenauthextension"},
		{oidcauthextension.NewFactory(), contrib + "extension/oidcauthextension"},
		{opampextension.NewFactory(), contrib + "extension/opampextension"},
		{filestorage.NewFactory(), contrib + "extension/storage/filestorage"},
		{queryextension.NewFactory(), ours},
	}
}

// providers lists where configurations are read from, by scheme.
func providers() map[string]listedProvider {
	return map[string]listedProvider{
		"env":   {envprovider.NewFactory(), core + "confmap/provider/envprovider"},
		"file":  {fileprovider.NewFactory(), core + "confmap/provider/fileprovider"},
		"http":  {httpprovider.NewFactory(), core + "confmap/provider/httpprovider"},
		"https": {httpsprovider.NewFactory(), core + "confmap/provider/httpsprovider"},
		"yaml":  {yamlprovider.NewFactory(), core + "confmap/provider/yamlprovider"},
	}
}

// listedProvider is one configuration provider and its Go module.
type listedProvider struct {
	factory confmap.ProviderFactory
	module  string
}

// defaultScheme is the provider of ${NAME} without a scheme.
const defaultScheme = "env"

// Factories returns every component of the distribution.
func Factories() (otelcol.Factories, error) {
	var f otelcol.Factories
	var err error
	versions := moduleVersions()
	if f.Receivers, f.ReceiverModules, err = factoryMap(receivers(), versions); err != nil {
		return f, err
	}
	if f.Processors, f.ProcessorModules, err = factoryMap(processors(), versions); err != nil {
		return f, err
	}
	if f.Exporters, f.ExporterModules, err = factoryMap(exporters(), versions); err != nil {
		return f, err
	}
	if f.Connectors, f.ConnectorModules, err = factoryMap(connectors(), versions); err != nil {
		return f, err
	}
	if f.Extensions, f.ExtensionModules, err = factoryMap(extensions(), versions); err != nil {
		return f, err
	}
	f.Telemetry = otelconftelemetry.NewFactory()
	return f, nil
}

// factoryMap turns a list into the two maps that otelcol wants: by type and
// alias the factory, by type the module with its version.
func factoryMap[F component.Factory](list []listed[F], versions map[string]string) (map[component.Type]F, map[component.Type]string, error) {
	factories := make([]F, len(list))
	modules := make(map[component.Type]string, len(list))
	for i, l := range list {
		factories[i] = l.factory
		modules[l.factory.Type()] = versioned(l.module, versions)
	}
	byType, err := otelcol.MakeFactoryMap(factories...)
	return byType, modules, err
}

// versioned is "module version", or the module alone where the binary does not
// know its versions, as test binaries do not.
func versioned(module string, versions map[string]string) string {
	if v := versions[module]; v != "" {
		return module + " " + v
	}
	return module
}

// moduleVersions reads the versions of the linked modules from the binary, so
// that they cannot differ from what go.mod chose.
func moduleVersions() map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	versions[info.Main.Path] = info.Main.Version
	for _, m := range info.Deps {
		versions[m.Path] = m.Version
	}
	return versions
}

// providerFactories and providerModules are providers in the forms that
// confmap and otelcol want.
func providerFactories() []confmap.ProviderFactory {
	var list []confmap.ProviderFactory
	for _, p := range providers() {
		list = append(list, p.factory)
	}
	return list
}

func providerModules() map[string]string {
	versions := moduleVersions()
	modules := map[string]string{}
	for scheme, p := range providers() {
		modules[scheme] = versioned(p.module, versions)
	}
	return modules
}

// kubeletStats gives the kubelet receiver the name that later releases have
// for it, kubelet_stats, so that configurations written for them load.
func kubeletStats(f receiver.Factory) receiver.Factory {
	return receiver.NewFactory(component.MustNewType("kubelet_stats"), f.CreateDefaultConfig,
		receiver.WithMetrics(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			set.ID = component.NewIDWithName(f.Type(), set.ID.Name())
			return f.CreateMetrics(ctx, set, cfg, next)
		}, f.MetricsStability()))
}
