package opencensusexporter

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
)

// Config is what users write under exporters: opencensus.
type Config struct {
	// Client says where the agent is, endpoint (host:55678), and how to reach it:
	// tls, headers, compression, keepalive, auth and so on.
	Client configgrpc.ClientConfig `mapstructure:",squash"`
	// Timeout of one attempt, key timeout.
	Timeout exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// Queue holds what is not yet sent.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
	// Retry says when to try again.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// NumWorkers is how many streams are open at once for a signal.
	NumWorkers int `mapstructure:"num_workers"`
	// Confirm ends the stream behind each request and waits for what the peer
	// says to it: the request is delivered, or is tried again.
	Confirm bool `mapstructure:"confirm"`
}

func newDefaultConfig() component.Config {
	client := configgrpc.NewDefaultClientConfig()
	client.Keepalive = configoptional.None[configgrpc.KeepaliveClientConfig]() // old agents end connections that ping too often
	client.WriteBufferSize = 512 * 1024
	return &Config{
		Client:     client,
		Timeout:    exporterhelper.NewDefaultTimeoutConfig(),
		Queue:      configoptional.Some(exporterhelper.NewDefaultQueueConfig()),
		Retry:      configretry.NewDefaultBackOffConfig(),
		NumWorkers: 2,
	}
}

// Validate says what is missing or cannot be.
func (c *Config) Validate() error {
	if c.Client.Endpoint == "" {
		return errors.New("endpoint is not set: the host and port of the OpenCensus agent, such as otel-collector:55678")
	}
	if c.NumWorkers < 1 {
		return errors.New("num_workers must be at least 1")
	}
	return nil
}
