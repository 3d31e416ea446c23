package jaegerexporter

import (
	"errors"
	"fmt"
	"net/url"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// Config is what users write under exporters: jaeger.
type Config struct {
	// Client says where the Jaeger collector is, endpoint (host:14250), and how
	// to reach it: tls, headers, compression, keepalive, auth and so on.
	Client configgrpc.ClientConfig `mapstructure:",squash"`
	// Timeout of one attempt, key timeout.
	Timeout exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// Queue holds what is not yet sent.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	// Retry says when to try again.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

func newDefaultConfig() component.Config {
	client := configgrpc.NewDefaultClientConfig()
	client.Keepalive = configoptional.None[configgrpc.KeepaliveClientConfig]() // Jaeger's server ends connections that ping too often
	client.WriteBufferSize = 512 * 1024
	return &Config{
		Client:  client,
		Timeout: exporterhelper.NewDefaultTimeoutConfig(),
		Queue:   configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		Retry:   configretry.NewDefaultBackOffConfig(),
	}
}

// Validate says what is missing.
func (c *Config) Validate() error {
	if c.Client.Endpoint == "" {
		return errors.New("endpoint is not set: the host and port of the Jaeger collector's gRPC, such as jaeger-collector:14250")
	}
	return nil
}

// ThriftConfig is what users write under exporters: jaeger_thrift.
type ThriftConfig struct {
	// Client says where the Jaeger collector is, endpoint
	// (http://host:14268/api/traces), and how to reach it: timeout of one
	// attempt, headers, tls, auth and so on.
	Client confighttp.ClientConfig `mapstructure:",squash"`
	// URL is what endpoint was called first.
	URL string `mapstructure:"url"`
	// Queue holds what is not yet sent.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	// Retry says when to try again.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
}

func newDefaultThriftConfig() component.Config {
	client := confighttp.NewDefaultClientConfig()
	client.Timeout = exporterhelper.NewDefaultTimeoutConfig().Timeout
	return &ThriftConfig{
		Client: client,
		Queue:  configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		Retry:  configretry.NewDefaultBackOffConfig(),
	}
}

// endpoint is where to send.
func (c *ThriftConfig) endpoint() string {
	if c.Client.Endpoint == "" {
		return c.URL
	}
	return c.Client.Endpoint
}

// Validate says what is missing or cannot be.
func (c *ThriftConfig) Validate() error {
	const example = "such as http://jaeger-collector:14268/api/traces"
	if c.Client.Endpoint != "" && c.URL != "" {
		return errors.New("endpoint and url are the same setting: keep endpoint")
	}
	if c.endpoint() == "" {
		return fmt.Errorf("endpoint is not set: the address of the Jaeger collector, %s", example)
	}
	if u, err := url.Parse(c.endpoint()); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("endpoint %q is no URL, %s", c.endpoint(), example)
	}
	if c.Client.Timeout <= 0 {
		return errors.New("timeout must be above zero")
	}
	return nil
}
