package opencensusreceiver

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/collector/tlstest"
)

// The real client, OpenCensus for Go with its agent exporter, in plain text and
// with TLS.
func TestGoClient(t *testing.T) {
	t.Parallel()
	client := filepath.Join(t.TempDir(), "opencensusgo")
	if out, err := exec.Command("go", "build", "-C", "../../../clients/opencensusgo", "-o", client, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the client: %v\n%s", err, out)
	}
	certFile, keyFile, _ := tlstest.Certificate(t)
	for _, test := range []struct {
		name     string
		settings map[string]any
		ca       string
	}{
		{"plain", nil, ""},
		{"tls", map[string]any{"tls": map[string]any{"cert_file": certFile, "key_file": keyFile}}, certFile},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.settings)
			cmd := exec.CommandContext(t.Context(), client)
			cmd.Env = append(cmd.Environ(), "OC_AGENT_HOST="+s.address, "SERVICE_NAME=shop", "OC_AGENT_CA="+test.ca)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("running the client: %v\n%s", err, out)
			}
			names := []string{<-s.spans, <-s.spans}
			slices.Sort(names)
			if diff := cmp.Diff([]string{"shop <nil> POST /checkout", "shop <nil> charge card"}, names); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			got := map[string]string{}
			for len(got) < 2 {
				for _, rm := range (<-s.metrics).ResourceMetrics().All() {
					for _, sm := range rm.ScopeMetrics().All() {
						for _, m := range sm.Metrics().All() {
							got[m.Name()] = m.Type().String()
						}
					}
				}
			}
			if diff := cmp.Diff(map[string]string{"shop/items": "Sum", "shop/duration": "Histogram"}, got); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
		})
	}
}
