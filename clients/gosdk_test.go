package clients

import (
	"fmt"
	"testing"
)

// The example that tutorials hand on is traced as its text promises: one span
// with three attributes, and ten below it.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	example := goProgram(t, "gosdk", ".", "./gosdk")
	id := example.run(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": box.url("otlp-grpc-port"),
	}, "-work", "1ms")

	const root = "CollectorExporter-Example"
	want := map[string]span{root: {
		Kind: "Internal", Status: "Unset", Service: "test-service",
		Attrs: map[string]any{"attrA": "chocolate", "attrB": "raspberry", "attrC": "vanilla"},
	}}
	for i := range 10 {
		want[fmt.Sprintf("Sample-%d", i)] = span{Parent: root, Kind: "Internal", Status: "Unset", Service: "test-service"}
	}
	wantTrace(t, id, want)
}
