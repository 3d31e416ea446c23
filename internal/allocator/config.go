package allocator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	promconfig "github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	// Every kind of service discovery that the build's tags leave in.
	_ "github.com/prometheus/prometheus/plugins"
)

// DefaultConfigFile is where the operator mounts the configuration.
const DefaultConfigFile = "/conf/targetallocator.yaml"

// Config is the configuration file. Its keys are those of the upstream target
// allocator.
type Config struct {
	// ListenAddr is where HTTP is served.
	ListenAddr string `yaml:"listen_addr"`
	// KubeConfigFilePath is the kubeconfig to reach Kubernetes with. Without it
	// the one of the user is taken if there is one, else the pod's account.
	KubeConfigFilePath string `yaml:"kube_config_file_path"`
	// CollectorSelector selects the pods of the collectors; nil selects none.
	CollectorSelector *Selector `yaml:"collector_selector"`
	// CollectorNamespace is where those pods are.
	CollectorNamespace string `yaml:"collector_namespace"`
	// Config is a Prometheus configuration: its global part and its
	// scrape_configs are used.
	Config yaml.Node `yaml:"config"`
	// AllocationStrategy is consistent-hashing, least-weighted or per-node.
	AllocationStrategy string `yaml:"allocation_strategy"`
	// AllocationFallbackStrategy places what per-node cannot place; empty leaves
	// it unplaced.
	AllocationFallbackStrategy string `yaml:"allocation_fallback_strategy"`
	// FilterStrategy is relabel-config, which leaves out what the relabeling of a
	// job drops, or empty.
	FilterStrategy string `yaml:"filter_strategy"`
	// PrometheusCR says which custom resources of the Prometheus operator add jobs.
	PrometheusCR PrometheusCR `yaml:"prometheus_cr"`
	// HTTPS is the server that may tell secrets.
	HTTPS HTTPS `yaml:"https"`
	// CollectorNotReadyGracePeriod is how long a collector may be not ready before
	// its targets go to others; 0 never takes them.
	CollectorNotReadyGracePeriod time.Duration `yaml:"collector_not_ready_grace_period"`
	// AllowInsecureAuthSecrets tells secrets over plain HTTP too.
	AllowInsecureAuthSecrets bool `yaml:"allow_insecure_auth_secrets"`
	// Telemetry is accepted and not used: metrics are at /metrics.
	Telemetry yaml.Node `yaml:"telemetry"`

	prometheus *promconfig.Config
}

// HTTPS configures the server with mutual TLS. Files are read again when they
// change.
type HTTPS struct {
	Enabled         bool   `yaml:"enabled"`
	ListenAddr      string `yaml:"listen_addr"`
	CAFilePath      string `yaml:"ca_file_path"`
	TLSCertFilePath string `yaml:"tls_cert_file_path"`
	TLSKeyFilePath  string `yaml:"tls_key_file_path"`
}

// PrometheusCR configures the jobs that come from the Prometheus operator's
// resources. A selector that is nil selects nothing, and an empty one everything;
// namespaces that no selector is given for are all selected.
type PrometheusCR struct {
	Enabled bool `yaml:"enabled"`

	// AllowNamespaces are the only namespaces that are looked at; empty is all.
	AllowNamespaces []string `yaml:"allow_namespaces"`
	// DenyNamespaces are not looked at.
	DenyNamespaces []string `yaml:"deny_namespaces"`
	// SecretNamespaces are those whose Secrets may be read; empty is the
	// collectors' own.
	SecretNamespaces []string `yaml:"secret_namespaces"`

	ServiceMonitorSelector          *Selector `yaml:"service_monitor_selector"`
	ServiceMonitorNamespaceSelector *Selector `yaml:"service_monitor_namespace_selector"`
	PodMonitorSelector              *Selector `yaml:"pod_monitor_selector"`
	PodMonitorNamespaceSelector     *Selector `yaml:"pod_monitor_namespace_selector"`
	ProbeSelector                   *Selector `yaml:"probe_selector"`
	ProbeNamespaceSelector          *Selector `yaml:"probe_namespace_selector"`
	ScrapeConfigSelector            *Selector `yaml:"scrape_config_selector"`
	ScrapeConfigNamespaceSelector   *Selector `yaml:"scrape_config_namespace_selector"`

	// ScrapeInterval and ScrapeProtocols are for resources that say none.
	ScrapeInterval  string   `yaml:"scrape_interval"`
	ScrapeProtocols []string `yaml:"scrape_protocols"`
	// EvaluationInterval is accepted: there are no rules to evaluate.
	EvaluationInterval string `yaml:"evaluation_interval"`
	// ScrapeClasses are defaults that resources choose by name, written as in the
	// Prometheus operator's resource.
	ScrapeClasses []map[string]any `yaml:"scrape_classes"`
	// DenyFSAccessThroughSMs leaves resources out that name files of the
	// collector.
	DenyFSAccessThroughSMs bool `yaml:"deny_fs_access_through_sms"`
}

// Selector is a label selector. Its keys are read in any case, as the upstream
// operator writes them in lower case.
type Selector metav1.LabelSelector

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Selector) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a selector has matchLabels and matchExpressions", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		var err error
		switch value := n.Content[i+1]; strings.ToLower(n.Content[i].Value) {
		case "matchlabels":
			err = value.Decode(&s.MatchLabels)
		case "matchexpressions":
			err = value.Decode(&s.MatchExpressions)
		default:
			err = fmt.Errorf("line %d: a selector has no %q", n.Line, n.Content[i].Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DefaultConfig holds every default, and what the environment says.
func DefaultConfig() Config {
	return Config{
		ListenAddr:         ":8080",
		CollectorNamespace: os.Getenv("OTELCOL_NAMESPACE"),
		AllocationStrategy: consistentHashing,
		FilterStrategy:     relabelConfig,
		PrometheusCR: PrometheusCR{
			ScrapeInterval:  "30s",
			ScrapeProtocols: []string{"OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"},
		},
		CollectorNotReadyGracePeriod: 30 * time.Second,
		AllowInsecureAuthSecrets:     os.Getenv("ALLOW_INSECURE_AUTH_SECRETS") == "true",
		HTTPS: HTTPS{
			ListenAddr:      ":8443",
			CAFilePath:      "/tls/ca.crt",
			TLSCertFilePath: "/tls/tls.crt",
			TLSKeyFilePath:  "/tls/tls.key",
		},
	}
}

// ReadConfig reads a configuration file over the defaults. It is not valid
// before Validate says so, because flags may change it.
func ReadConfig(file string) (Config, error) {
	c := DefaultConfig()
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("reading configuration: %w", err)
	}
	if err := c.parse(text); err != nil {
		return c, fmt.Errorf("reading configuration %s: %w", file, err)
	}
	return c, nil
}

func (c *Config) parse(text []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if c.Config.IsZero() {
		return nil
	}
	prom, err := yaml.Marshal(&c.Config)
	if err != nil {
		return fmt.Errorf("reading config: %w", err)
	}
	if c.prometheus, err = promconfig.Load(string(prom), slog.New(slog.DiscardHandler)); err != nil {
		return fmt.Errorf("reading config: %w", err)
	}
	return nil
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	if c.prometheus == nil || len(c.prometheus.ScrapeConfigs) == 0 {
		if !c.PrometheusCR.Enabled {
			errs = append(errs, errors.New("config::scrape_configs: at least one scrape config is needed, or prometheus_cr::enabled"))
		}
	}
	if len(c.PrometheusCR.AllowNamespaces) > 0 && len(c.PrometheusCR.DenyNamespaces) > 0 {
		errs = append(errs, errors.New("prometheus_cr: allow_namespaces and deny_namespaces exclude each other"))
	}
	if !isStrategy(c.AllocationStrategy) {
		errs = append(errs, fmt.Errorf("allocation_strategy: got %q; want %s", c.AllocationStrategy, strategyNames))
	}
	if f := c.AllocationFallbackStrategy; f != "" && (!isStrategy(f) || f == perNode) {
		errs = append(errs, fmt.Errorf("allocation_fallback_strategy: got %q; want %s, %s or nothing", f, consistentHashing, leastWeighted))
	}
	if c.FilterStrategy != "" && c.FilterStrategy != relabelConfig {
		errs = append(errs, fmt.Errorf("filter_strategy: got %q; want %s or nothing", c.FilterStrategy, relabelConfig))
	}
	if c.HTTPS.Enabled && (c.HTTPS.CAFilePath == "" || c.HTTPS.TLSCertFilePath == "" || c.HTTPS.TLSKeyFilePath == "") {
		errs = append(errs, errors.New("https: ca_file_path, tls_cert_file_path and tls_key_file_path are needed"))
	}
	if c.CollectorNotReadyGracePeriod < 0 {
		errs = append(errs, errors.New("collector_not_ready_grace_period: must not be negative"))
	}
	return errors.Join(errs...)
}
