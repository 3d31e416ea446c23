package app

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/signalbox-otel/signalbox/internal/allocator"
)

// allocatorFlags are those of `signalbox allocator`: the upstream target
// allocator's, and a list of collectors for machines without Kubernetes.
type allocatorFlags struct {
	configFile      string
	listenAddr      string
	kubeconfig      string
	prometheusCR    bool
	https           bool
	listenAddrHTTPS string
	caFile          string
	certFile        string
	keyFile         string
	insecureSecrets bool
	collectors      []string
	logLevel        string
	logEncoder      string
}

func newAllocator() *cobra.Command {
	var s allocatorFlags
	cmd := &cobra.Command{
		Use:   "allocator",
		Short: "Divide scrape targets among collectors",
		Long: `Allocator discovers what is to be scraped and tells each collector its share. It
takes the configuration file and the flags of the target allocator of the
OpenTelemetry operator. The file wins over the environment (OTELCOL_NAMESPACE,
ALLOW_INSECURE_AUTH_SECRETS), and flags win over the file.

In Kubernetes the collectors are the pods that collector_selector selects. On
other machines --collectors names them; each asks with its name as collector_id:

  receivers:
    prometheus:
      target_allocator:
        endpoint: http://localhost:8080
        collector_id: one
        interval: 30s`,
		Example: `  signalbox allocator --config-file targetallocator.yaml
  signalbox allocator --config-file targetallocator.yaml --collectors one,two`,
		Args: exactArgs(0, "none: what is scraped is said by --config-file"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := s.config(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			logger, err := s.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			klog.SetSlogLogger(logger) // what watches Kubernetes logs by itself
			set := allocator.Settings{Config: config, Logger: logger}
			if cmd.Flags().Changed("collectors") {
				set.Collectors = allocator.Static(s.collectors...)
			}
			return allocator.Run(cmd.Context(), set)
		},
	}
	s.register(cmd)
	return cmd
}

func (s *allocatorFlags) register(cmd *cobra.Command) {
	c := allocator.DefaultConfig()
	f := cmd.Flags()
	f.StringVar(&s.configFile, "config-file", allocator.DefaultConfigFile, "configuration `file`")
	f.StringVar(&s.listenAddr, "listen-addr", c.ListenAddr, "`address` that HTTP is served at")
	f.StringVar(&s.kubeconfig, "kubeconfig-path", "", "kubeconfig `file`, when not the user's or the pod's account")
	f.BoolVar(&s.prometheusCR, "enable-prometheus-cr-watcher", false, "add the jobs of the Prometheus operator's resources")
	f.BoolVar(&s.https, "enable-https-server", false, "serve HTTPS, to clients with a certificate")
	f.StringVar(&s.listenAddrHTTPS, "listen-addr-https", c.HTTPS.ListenAddr, "`address` that HTTPS is served at")
	f.StringVar(&s.caFile, "https-ca-file", c.HTTPS.CAFilePath, "`file` of the authority that signs clients' certificates")
	f.StringVar(&s.certFile, "https-tls-cert-file", c.HTTPS.TLSCertFilePath, "certificate `file` of the server")
	f.StringVar(&s.keyFile, "https-tls-key-file", c.HTTPS.TLSKeyFilePath, "key `file` of the server")
	f.BoolVar(&s.insecureSecrets, "allow-insecure-auth-secrets", false, "tell secrets of scrape configs over plain HTTP")
	f.StringSliceVar(&s.collectors, "collectors", nil, "`names` of the collectors, instead of pods")
	f.StringVar(&s.logLevel, "zap-log-level", "info", "least `level` of logs: debug, info or error")
	f.StringVar(&s.logEncoder, "zap-encoder", "console", "`form` of logs: console or json")
	// The rest of that family has nothing to set here; command lines that have
	// them keep working.
	f.Bool("zap-devel", false, "")
	f.String("zap-stacktrace-level", "", "")
	f.String("zap-time-encoding", "", "")
	for _, name := range []string{"zap-devel", "zap-stacktrace-level", "zap-time-encoding"} {
		f.Lookup(name).Hidden = true
	}
}

// config is the file's with what flags set over it.
func (s *allocatorFlags) config(changed func(string) bool) (allocator.Config, error) {
	c, err := allocator.ReadConfig(s.configFile)
	if err != nil {
		return c, err
	}
	over := func(flag string, set func()) {
		if changed(flag) {
			set()
		}
	}
	over("listen-addr", func() { c.ListenAddr = s.listenAddr })
	over("kubeconfig-path", func() { c.KubeConfigFilePath = s.kubeconfig })
	over("enable-prometheus-cr-watcher", func() { c.PrometheusCR.Enabled = s.prometheusCR })
	over("enable-https-server", func() { c.HTTPS.Enabled = s.https })
	over("listen-addr-https", func() { c.HTTPS.ListenAddr = s.listenAddrHTTPS })
	over("https-ca-file", func() { c.HTTPS.CAFilePath = s.caFile })
	over("https-tls-cert-file", func() { c.HTTPS.TLSCertFilePath = s.certFile })
	over("https-tls-key-file", func() { c.HTTPS.TLSKeyFilePath = s.keyFile })
	over("allow-insecure-auth-secrets", func() { c.AllowInsecureAuthSecrets = s.insecureSecrets })
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("configuration %s: %w", s.configFile, err)
	}
	return c, nil
}

// logger logs as the zap flags say.
func (s *allocatorFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, usageError{fmt.Errorf("--zap-log-level: got %q; want debug, info or error", s.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	switch strings.ToLower(s.logEncoder) {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "console":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, usageError{fmt.Errorf("--zap-encoder: got %q; want console or json", s.logEncoder)}
}
