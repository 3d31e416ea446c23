package render

import corev1 "k8s.io/api/core/v1"

// Default ports that are not in the table of receivers.
const (
	// prometheusPort is not upstream's 8888: that is the collector's own.
	prometheusPort = 8889
	healthPort     = 13133
	queryPort      = 16686
)

// listener is a server in a component, by default.
type listener struct {
	protocol  string // the key below protocols; "" where the component is the server
	port      int32  // 0: only the configuration knows
	transport corev1.Protocol
	app       string // what it speaks, as Services say it; "" when they do not
}

// one is a component that is a server itself.
func one(port int32, transport corev1.Protocol) []listener {
	return []listener{{"", port, transport, ""}}
}

// listeners are the servers of receivers by type; an empty list is a receiver
// that fetches, and has no port whatever its settings are called.
var listeners = map[string][]listener{
	"otlp": {
		{"grpc", 4317, corev1.ProtocolTCP, "grpc"},
		{"http", 4318, corev1.ProtocolTCP, "http"},
	},
	"skywalking": {
		{"grpc", 11800, corev1.ProtocolTCP, "grpc"},
		{"http", 12800, corev1.ProtocolTCP, "http"},
	},
	"jaeger": {
		{"grpc", 14250, corev1.ProtocolTCP, "grpc"},
		{"thrift_http", 14268, corev1.ProtocolTCP, "http"},
		{"thrift_compact", 6831, corev1.ProtocolUDP, ""},
		{"thrift_binary", 6832, corev1.ProtocolUDP, ""},
	},
	"loki": {
		{"grpc", 9095, corev1.ProtocolTCP, "grpc"},
		{"http", 3100, corev1.ProtocolTCP, "http"},
	},

	"awsxray":        one(2000, corev1.ProtocolUDP),
	"carbon":         one(2003, corev1.ProtocolTCP),
	"collectd":       one(8081, corev1.ProtocolTCP),
	"fluent_forward": one(8006, corev1.ProtocolTCP),
	"fluentforward":  one(8006, corev1.ProtocolTCP),
	"influxdb":       one(8086, corev1.ProtocolTCP),
	"sapm":           one(7276, corev1.ProtocolTCP),
	"signalfx":       one(9943, corev1.ProtocolTCP),
	"splunk_hec":     one(8088, corev1.ProtocolTCP),
	"statsd":         one(8125, corev1.ProtocolUDP),
	"tcp_log":        one(0, corev1.ProtocolTCP),
	"tcplog":         one(0, corev1.ProtocolTCP),
	"udp_log":        one(0, corev1.ProtocolUDP),
	"udplog":         one(0, corev1.ProtocolUDP),
	"wavefront":      one(2003, corev1.ProtocolTCP),
	"zipkin":         {{"", 9411, corev1.ProtocolTCP, "http"}},

	"aerospike": {}, "chrony": {}, "cloud_foundry": {}, "cloudfoundry": {},
	"couchdb": {}, "docker_stats": {}, "filelog": {}, "file_log": {},
	"flink_metrics": {}, "flinkmetrics": {}, "googlecloudpubsub": {},
	"haproxy": {}, "http_check": {}, "httpcheck": {}, "jmx": {},
	"k8s_cluster": {}, "k8s_events": {}, "k8s_objects": {}, "k8sobjects": {},
	"kubelet_stats": {}, "kubeletstats": {}, "memcached": {}, "mysql": {},
	"nginx": {}, "nsxt": {}, "oracledb": {}, "podman_stats": {},
	"postgresql": {}, "prometheus_simple": {}, "pulsar": {}, "purefb": {},
	"rabbitmq": {}, "redis": {}, "riak": {}, "saphana": {}, "snmp": {},
	"ssh_check": {}, "sshcheck": {}, "vcenter": {}, "zookeeper": {},
}

// unknown is a receiver that is not in the table: a server when its settings
// say where it listens.
var unknown = []listener{{"", 0, corev1.ProtocolTCP, ""}}
