package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	f := func(want, format string, args ...string) {
		t.Helper()
		if got := name(format, args...); got != want {
			t.Errorf("name(%q, %q): got %q; want %q", format, args, got, want)
		}
		if got := name(format, args...); len(got) > nameLimit {
			t.Errorf("name(%q, %q) is %d long", format, args, len(got))
		}
	}
	long := strings.Repeat("a", 70)
	f("simplest-collector", "%s-collector", "simplest")
	f("simplest-collector-0123abcd", "%s-collector-%s", "simplest", "0123abcd")
	f(strings.Repeat("a", 53)+"-collector", "%s-collector", long)
	// What is too long goes off the first argument, and then off the next.
	f(strings.Repeat("a", 47)+"-ns-cluster-role", "%s-%s-cluster-role", long[:48], "ns")
	f(strings.Repeat("a", 49)+"-cluster-role", "%s-%s-cluster-role", "x", long)
	f("configmap-a-b", "configmap-%s", "a.b")
	f("configmap-a-b", "configmap-%s", "a_b")
	f("my-agent-collector", "%s-collector", "My.Agent")
	f("b-collector", "%s-collector", "--b")
}

func TestImageVersions(t *testing.T) {
	f := func(image, want string) {
		t.Helper()
		if got := imageVersion(image); got != want {
			t.Errorf("imageVersion(%q): got %q; want %q", image, got, want)
		}
	}
	digest := strings.Repeat("0123456789abcdef", 4)
	f("", "latest")
	f("otelcol", "latest")
	f("otelcol:0.158.0", "0.158.0")
	f("host:5000/otelcol", "latest")
	f("host:5000/otelcol:1.0", "1.0")
	f("host/otelcol:1.0@sha256:"+digest, "1.0")
	f("host:5000/otelcol@sha256:"+digest, digest[:63])
	f("otelcol:_x_", "x")
}

func TestEndpoints(t *testing.T) {
	f := func(text, host string, port int32) {
		t.Helper()
		gotHost, gotPort, ok := endpoint(text)
		if gotHost != host || gotPort != port || ok != (port != 0) {
			t.Errorf("endpoint(%q): got %q, %d, %v; want %q, %d", text, gotHost, gotPort, ok, host, port)
		}
	}
	f("0.0.0.0:4317", "0.0.0.0", 4317)
	f(":4317", "", 4317)
	f("[::1]:4317", "::1", 4317)
	f("[::]:4317", "::", 4317)
	f("localhost:1", "localhost", 1)
	f("${env:MY_POD_IP}:4317", "${env:MY_POD_IP}", 4317)
	f("${MY_POD_IP}:65535", "${MY_POD_IP}", 65535)
	f("::1:4317", "", 0)
	f("localhost", "", 0)
	f("4317", "", 0)
	f("${ENDPOINT}", "", 0)
	f("${env:HOST}:${env:PORT}", "", 0)
	f("localhost:65536", "", 0)
	f("localhost:0", "", 0)
	f("http://localhost:4317", "", 0)
	f("/var/run/otel.sock", "", 0)
	f("unix:///var/run/a:1", "", 0)
}

func TestPortNames(t *testing.T) {
	f := func(id string, want string) {
		t.Helper()
		if got := portName(id, 4317); got != want {
			t.Errorf("portName(%q): got %q; want %q", id, got, want)
		}
	}
	f("otlp-grpc", "otlp-grpc")
	f("zipkin/two", "zipkin-two")
	f("otlp/Upper", "otlp-upper")
	f("otlp/%d", "port-4317") // "--" and a dash at the end
	f("splunk_hec", "splunk-hec")
	f("jaeger-thrift_http", "port-4317") // 16 letters and more
	f("1", "port-4317")                  // a name has a letter
}

func TestPortClashes(t *testing.T) {
	listed := []port{{name: "otlp-grpc", number: 9999, protocol: "TCP"}, {name: "x", number: 4318, protocol: "TCP"}}
	inferred := []port{
		{name: "otlp-grpc", number: 4317, protocol: "TCP"}, // its name is taken
		{name: "otlp-http", number: 4318, protocol: "TCP"}, // its number is taken
		{name: "udp", number: 4318, protocol: "UDP"},       // another protocol is another port
		{name: "again", number: 4317, protocol: "TCP"},     // two components at one port
	}
	plan := new(Plan)
	var got []string
	for _, p := range joined(listed, inferred, plan) {
		got = append(got, p.name+" "+string(p.protocol))
	}
	want := []string{"otlp-grpc TCP", "port-4317 TCP", "udp UDP", "x TCP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if len(plan.Findings) != 1 || plan.Findings[0].Rule != "port-clash" {
		t.Errorf("findings: got %v; want one port-clash", plan.Findings)
	}
}
