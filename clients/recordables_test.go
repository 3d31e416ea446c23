package clients

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"github.com/prometheus/prometheus/prompb"
)

// recordable is a client that can be recorded.
type recordable struct {
	name    string // of its archive, without .txtar
	comment string // what it is
	run     func(t *testing.T, addr map[string]string)
}

// recordables are all the clients of clients/README.md that speak to a receiver.
func recordables() []recordable {
	return slices.Concat(otlpClients(), jaegerAndZipkinClients(), otherClients())
}

func otlpClients() []recordable {
	var all []recordable
	for _, protocol := range []string{"grpc", "http/protobuf", "http/json"} {
		port := "otlp-http"
		if protocol == "grpc" {
			port = "otlp-grpc"
		}
		env := func(service string, addr map[string]string) map[string]string {
			return map[string]string{
				"OTEL_SERVICE_NAME":           service,
				"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + addr[port],
				"OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
				"OTEL_METRICS_EXPORTER":       "otlp",
				"OTEL_LOGS_EXPORTER":          "otlp",
				// These two tell nothing of the machine that records.
				"OTEL_NODE_RESOURCE_DETECTORS": "env",
				"NODE_OPTIONS":                 "--stack-trace-limit=0",
			}
		}
		suffix := "-" + strings.ReplaceAll(protocol, "/", "-")
		all = append(all,
			recordable{"node" + suffix, "OpenTelemetry SDK for Node.js 0.223.0, OTLP " + protocol, func(t *testing.T, addr map[string]string) {
				nodeProgram(t, "node", "shop.mjs").run(t, env("node"+suffix, addr))
			}},
			recordable{"python" + suffix, "OpenTelemetry SDK for Python 1.45.1, OTLP " + protocol, func(t *testing.T, addr map[string]string) {
				pythonProgram(t, "python", "shop.py").run(t, env("python"+suffix, addr))
			}})
	}
	for release, path := range map[string]string{"otlpjs13": "/v1/trace", "otlpjs20": "/v1/traces", "otlpjs25": "/v1/traces", "otlpjs27": "/v1/traces"} {
		all = append(all, recordable{release, "OpenTelemetry for JavaScript 0." + release[len("otlpjs"):] + ", OTLP http/json", func(t *testing.T, addr map[string]string) {
			nodeProgram(t, release, "../otlpjs/shop.js").run(t, map[string]string{
				"SERVICE": release, "OTLP_URL": "http://" + addr["otlp-http"], "TRACE_PATH": path,
			})
		}})
	}
	for protocol, port := range map[string]string{"grpc": "otlp-grpc", "http": "otlp-http"} {
		all = append(all, recordable{"otlpgo20-" + protocol, "OpenTelemetry SDK for Go 0.20, OTLP " + protocol, func(t *testing.T, addr map[string]string) {
			goProgram(t, "otlpgo20", "otlpgo20", ".").run(t, map[string]string{
				"SERVICE": "otlpgo20-" + protocol, "OTLP_ENDPOINT": addr[port], "OTLP_PROTOCOL": protocol,
			})
		}})
	}
	all = append(all, recordable{"telemetrygen", "telemetrygen 0.157.0, OTLP grpc", func(t *testing.T, addr map[string]string) {
		for _, args := range []string{
			"traces --traces 1 --child-spans 2 --rate 0",
			"metrics --metrics 2 --rate 20 --metric-type Sum",
			"logs --logs 2 --rate 0",
		} {
			args := append(strings.Fields(args), "--otlp-insecure", "--otlp-endpoint", addr["otlp-grpc"], "--service", "telemetrygen")
			if _, err := telemetrygen(t).output(t, nil, args...); err != nil {
				t.Fatal(err)
			}
		}
	}})
	return append(all, recordable{"gosdk", "OpenTelemetry SDK for Go 1.44.0, OTLP grpc", func(t *testing.T, addr map[string]string) {
		goProgram(t, "gosdk", ".", "./gosdk").run(t, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + addr["otlp-grpc"],
		}, "-work", "1ms")
	}})
}

func jaegerAndZipkinClients() []recordable {
	type addresses = map[string]string
	return []recordable{
		{"jaegerjs-http", "jaeger-client 3.19.0 for Node.js, Thrift over HTTP", func(t *testing.T, addr addresses) {
			nodeProgram(t, "jaegerjs", "shop.js").run(t, jaegerEnv("jaegerjs-http", addr["jaeger-http"], false))
		}},
		{"jaegerjs-udp", "jaeger-client 3.19.0 for Node.js, binary Thrift over UDP", func(t *testing.T, addr addresses) {
			nodeProgram(t, "jaegerjs", "shop.js").run(t, jaegerEnv("jaegerjs-udp", addr["jaeger-binary"], true))
		}},
		{"jaegergo-http", "jaeger-client-go 2.30.0, Thrift over HTTP", func(t *testing.T, addr addresses) {
			goProgram(t, "jaegergo", "jaegergo", ".").run(t, jaegerEnv("jaegergo-http", addr["jaeger-http"], false))
		}},
		{"jaegergo-udp", "jaeger-client-go 2.30.0, compact Thrift over UDP", func(t *testing.T, addr addresses) {
			goProgram(t, "jaegergo", "jaegergo", ".").run(t, jaegerEnv("jaegergo-udp", addr["jaeger-compact"], true))
		}},
		{"jaegergo-2.16.0-udp", "jaeger-client-go 2.16.0, compact Thrift over UDP", func(t *testing.T, addr addresses) {
			oldGoProgram(t, "jaegergo", "v2.16.0").run(t, jaegerEnv("jaegergo-2.16.0-udp", addr["jaeger-compact"], true))
		}},
		{"oteljs19-jaeger-http", "OpenTelemetry's exporter-jaeger 1.9.0 for JavaScript, Thrift over HTTP", func(t *testing.T, addr addresses) {
			nodeProgram(t, "oteljs19", "shop.js").run(t, map[string]string{
				"SERVICE": "oteljs19-jaeger-http", "EXPORTER": "jaeger",
				"OTEL_EXPORTER_JAEGER_ENDPOINT": "http://" + addr["jaeger-http"] + "/api/traces",
			})
		}},
		{"oteljs19-jaeger-udp", "OpenTelemetry's exporter-jaeger 1.9.0 for JavaScript, binary Thrift over UDP", func(t *testing.T, addr addresses) {
			host, port, _ := strings.Cut(addr["jaeger-binary"], ":")
			nodeProgram(t, "oteljs19", "shop.js").run(t, map[string]string{
				"SERVICE": "oteljs19-jaeger-udp", "EXPORTER": "jaeger",
				"OTEL_EXPORTER_JAEGER_AGENT_HOST": host, "OTEL_EXPORTER_JAEGER_AGENT_PORT": port,
			})
		}},
		{"oteljs19-zipkin", "OpenTelemetry's exporter-zipkin 1.9.0 for JavaScript, JSON v2", func(t *testing.T, addr addresses) {
			nodeProgram(t, "oteljs19", "shop.js").run(t, map[string]string{
				"SERVICE": "oteljs19-zipkin", "EXPORTER": "zipkin",
				"OTEL_EXPORTER_ZIPKIN_ENDPOINT": "http://" + addr["zipkin"] + "/api/v2/spans",
			})
		}},
		{"zipkinjs-v1", "zipkin 0.22.0 for Node.js, JSON v1", func(t *testing.T, addr addresses) {
			nodeProgram(t, "zipkinjs", "shop.js").run(t, map[string]string{
				"ZIPKIN_SERVICE_NAME": "zipkinjs-v1", "ZIPKIN_ENDPOINT": "http://" + addr["zipkin"] + "/api/v1/spans",
			})
		}},
		{"zipkinjs-v2", "zipkin 0.22.0 for Node.js, JSON v2", func(t *testing.T, addr addresses) {
			nodeProgram(t, "zipkinjs", "shop.js").run(t, map[string]string{
				"ZIPKIN_SERVICE_NAME": "zipkinjs-v2", "ZIPKIN_ENDPOINT": "http://" + addr["zipkin"] + "/api/v2/spans",
			})
		}},
		{"zipkingo", "zipkin-go 0.4.3, JSON v2, ids of 128 bits", func(t *testing.T, addr addresses) {
			goProgram(t, "zipkingo", "zipkingo", ".").run(t, zipkinEnv("zipkingo", addr["zipkin"], "128"))
		}},
		{"zipkingo-protobuf", "zipkin-go 0.4.3, protobuf v2, ids of 64 bits", func(t *testing.T, addr addresses) {
			env := zipkinEnv("zipkingo-protobuf", addr["zipkin"], "64")
			env["FORMAT"] = "protobuf"
			goProgram(t, "zipkingo", "zipkingo", ".").run(t, env)
		}},
		{"zipkingo-0.1.6", "zipkin-go 0.1.6, JSON v2, ids of 64 bits", func(t *testing.T, addr addresses) {
			oldGoProgram(t, "zipkingo", "v0.1.6").run(t, zipkinEnv("zipkingo-0.1.6", addr["zipkin"], "64"))
		}},
	}
}

// writtenAt is the time of the last sample that client_golang is recorded with.
var writtenAt = time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)

func otherClients() []recordable {
	type addresses = map[string]string
	all := []recordable{
		{"gunicorn", "gunicorn 23.0.0, StatsD", recordGunicorn},
		{"prometheus", "Prometheus 2.42.0, remote write 1.0", func(t *testing.T, addr addresses) {
			forwardByPrometheus(t, "prometheus", addr["remote-write"])()
		}},
		{"remote-write-v1", "client_golang 1.24.1, remote write 1.0", func(t *testing.T, addr addresses) {
			writeRemote(t, addr["remote-write"], remote.WriteV1MessageType, &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
				Labels: []prompb.Label{
					{Name: "__name__", Value: "jobs_total"},
					{Name: "instance", Value: "batch-1"},
					{Name: "job", Value: "remote-write-v1"},
				},
				Samples: []prompb.Sample{{Value: 1, Timestamp: writtenAt.UnixMilli() - 1000}, {Value: 5, Timestamp: writtenAt.UnixMilli()}},
			}}})
		}},
		{"remote-write-v2", "client_golang 1.24.1, remote write 2.0", func(t *testing.T, addr addresses) {
			writeRemote(t, addr["remote-write"], remote.WriteV2MessageType, &writev2.Request{
				Symbols: []string{"", "__name__", "jobs_total", "instance", "batch-1", "job", "remote-write-v2"},
				Timeseries: []*writev2.TimeSeries{{
					LabelsRefs: []uint32{1, 2, 3, 4, 5, 6},
					Samples:    []*writev2.Sample{{Value: 1, Timestamp: writtenAt.UnixMilli() - 1000}, {Value: 5, Timestamp: writtenAt.UnixMilli()}},
				}},
			})
		}},
	}
	for _, client := range []string{"datadog", "cactus"} {
		all = append(all, recordable{"statsdgo-" + client, statsdClients[client] + ", StatsD", func(t *testing.T, addr addresses) {
			sendStatsD(t, client, addr["statsd"])
		}})
	}
	for _, release := range []string{"", "v0.5.0", "v0.4.12"} {
		name, version := strings.TrimSuffix("opencensusgo-"+strings.TrimPrefix(release, "v"), "-"), "0.7.0"
		if release != "" {
			version = release[1:]
		}
		all = append(all, recordable{name, "OpenCensus for Go with ocagent " + version + ", OpenCensus agent", func(t *testing.T, addr addresses) {
			openCensusGo(t, release).run(t, map[string]string{"OC_AGENT_HOST": addr["opencensus"], "SERVICE_NAME": name, "OC_AWAIT": "1"})
		}})
	}
	return append(all, recordable{"opencensuspy", "OpenCensus for Python 0.11.4 with opencensus-ext-ocagent 0.7.1, OpenCensus agent", func(t *testing.T, addr addresses) {
		pythonProgram(t, "opencensuspy", "shop.py").run(t, map[string]string{
			"OC_AGENT_HOST": addr["opencensus"], "SERVICE_NAME": "opencensuspy", "PYTHONWARNINGS": "ignore",
		})
	}})
}

// openCensusGo is the program with a release of its exporter, "" for the last.
func openCensusGo(t *testing.T, release string) program {
	t.Helper()
	if release == "" {
		return goProgram(t, "opencensusgo", "opencensusgo", ".")
	}
	return oldGoProgram(t, "opencensusgo", release)
}

// statsdClients are the clients of the program statsdgo, by what it calls them.
var statsdClients = map[string]string{"datadog": "datadog-go 5.9.1", "cactus": "go-statsd-client 5.1.0"}

func recordGunicorn(t *testing.T, addr map[string]string) {
	listen := freeAddr(t, "tcp")
	gunicorn := pythonProgram(t, "gunicorn", "app.py")
	background(t, program{args: []string{gunicorn.args[0], "-m", "gunicorn"}, dir: "gunicorn"},
		"--bind", listen, "--workers", "2", "--statsd-host", addr["statsd"], "--statsd-prefix", "flask-app-tutorial", "app:app")
	await(t, "http://"+listen+"/")
	for _, path := range []string{"/", "/missing"} {
		res, err := http.Get("http://" + listen + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
}

func writeRemote(t *testing.T, addr string, version remote.WriteMessageType, message any) {
	t.Helper()
	client, err := remote.NewAPI("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(t.Context(), version, message); err != nil {
		t.Fatal(fmt.Errorf("writing: %w", err))
	}
}
