package opencensusreceiver

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configgrpc"
)

// defaultEndpoint has the port that OpenCensus agents listen on.
const defaultEndpoint = "localhost:55678"

// Config is what users write under receivers: opencensus.
type Config struct {
	// Server says where to listen and how: endpoint, transport (tcp or unix),
	// tls, auth, max_recv_msg_size_mib and so on.
	Server configgrpc.ServerConfig `mapstructure:",squash"`
	// CORSAllowedOrigins are the web pages that may send over HTTP; * stands for
	// any part.
	CORSAllowedOrigins []string `mapstructure:"cors_allowed_origins"`
}

func newDefaultConfig() component.Config {
	server := configgrpc.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	return &Config{Server: server}
}

// Validate says what is missing.
func (c *Config) Validate() error {
	if c.Server.NetAddr.Endpoint == "" {
		return errors.New("endpoint is not set: where to listen, such as " + defaultEndpoint)
	}
	return nil
}

// maxMessageBytes bounds one message, before and after decompression.
func (c *Config) maxMessageBytes() int {
	if c.Server.MaxRecvMsgSizeMiB > 0 {
		return c.Server.MaxRecvMsgSizeMiB << 20
	}
	return 4 << 20 // gRPC's own
}

// idle are the keys that are set and have no effect: the port is served by an
// HTTP server, which has gRPC's settings in part.
func (c *Config) idle() (keys []string) {
	add := func(set bool, key string) {
		if set {
			keys = append(keys, key)
		}
	}
	add(c.Server.ReadBufferSize != 0, "read_buffer_size")
	add(c.Server.WriteBufferSize != 0, "write_buffer_size")
	if !c.Server.Keepalive.HasValue() {
		return keys
	}
	keepalive := c.Server.Keepalive.Get()
	if p := keepalive.ServerParameters.Get(); p != nil {
		add(p.MaxConnectionAge != 0, "keepalive::server_parameters::max_connection_age")
		add(p.MaxConnectionAgeGrace != 0, "keepalive::server_parameters::max_connection_age_grace")
	}
	if p := keepalive.EnforcementPolicy.Get(); p != nil {
		add(p.MinTime != 0, "keepalive::enforcement_policy::min_time")
		add(p.PermitWithoutStream, "keepalive::enforcement_policy::permit_without_stream")
	}
	return keys
}
