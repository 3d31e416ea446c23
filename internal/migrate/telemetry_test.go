package migrate

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

// What becomes of the address of the collector's own metrics.
func TestMetricsAddress(t *testing.T) {
	env := map[string]string{"ADDR": "10.0.0.7:8888", "EMPTY": ""}
	f := func(metrics, want string, severity Severity) {
		t.Helper()
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte("service: {telemetry: {metrics: {"+metrics+"}}}"), &doc); err != nil {
			t.Fatal(err)
		}
		found := Config(doc.Content[0], Options{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
		got := short(at(doc.Content[0], "service", "telemetry", "metrics"))
		if got != want {
			t.Errorf("%s: got %s; want %s", metrics, got, want)
		}
		if len(found) != 1 || found[0].Severity != severity {
			t.Errorf("%s: found %v; want one %s", metrics, found, severity)
		}
	}
	reader := func(host, port string) string {
		return "readers: [{pull: {exporter: {prometheus: {host: " + host + ", port: " + port + ", without_scope_info: true, without_type_suffix: true, without_units: true}}}}]"
	}
	f(`address: ":8888"`, "{"+reader("0.0.0.0", "8888")+"}", Changed)
	f(`address: "localhost:1234"`, "{"+reader("localhost", "1234")+"}", Changed)
	f(`address: "[::]:8888"`, "{"+reader("::", "8888")+"}", Changed)
	f(`address: "[::1]:8888"`, "{"+reader("::1", "8888")+"}", Changed)
	f(`level: none, address: ":8888"`, "{level: none, "+reader("0.0.0.0", "8888")+"}", Changed)
	f(`address: "${env:ADDR}"`, "{"+reader("10.0.0.7", "8888")+"}", Changed)
	f(`address: "${ADDR}:99"`, "{"+reader("${ADDR}", "99")+"}", Changed)
	f(`address: "${env:EMPTY:-x}:${env:EMPTY}"`, "{"+reader("${env:EMPTY:-x}", "${env:EMPTY}")+"}", Changed)
	f(`address: "${env:EMPTY:-h:1}"`, "{"+reader("h", "1")+"}", Changed)
	f(`address: "localhost:1", readers: [a]`, "{readers: [a]}", Ignored)
	f(`address: "localhost:1", readers: null`, "{"+reader("localhost", "1")+"}", Changed)
	f(`address: ""`, "{}", Ignored)
	f(`address: localhost`, "{address: localhost}", Error)
	f(`address: "localhost:http"`, "{address: localhost:http}", Error)
	f(`address: "localhost:70000"`, "{address: localhost:70000}", Error)
	f(`address: "http://localhost:1"`, "{address: http://localhost:1}", Error)
}
