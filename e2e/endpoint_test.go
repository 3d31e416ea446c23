//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// One endpoint serves every language: an agent that speaks HTTP gets the port for
// that of a collector of the operator's, and the event of its workload says so; a
// program that brings its own SDK gets what is written.
func TestEndpointFitsTheLanguage(t *testing.T) {
	t.Parallel()
	const namespace = "inject-endpoint"
	instrumented(t, namespace, "4317")
	dice(t, namespace, `{instrumentation.opentelemetry.io/inject-sdk: "true"}`, "")
	wantInstrumented(t, "GET /hello/<name>",
		app{namespace, "flask-4317", glibcImage, injects("python"), []string{"python3", "server.py"}, nil},
	)
	t.Run("event", func(t *testing.T) {
		t.Parallel()
		const want = "the endpoint is http://otel-collector." + system + ":4318, because port 4317 there is for gRPC, and the agent for python speaks HTTP"
		await(t, "the event of the Deployment", func(context.Context) error {
			if events := kubectl(t, "events", "-n", namespace, "--for", "deployment/flask-4317"); !strings.Contains(events, want) {
				return fmt.Errorf("got\n%s\nwant %q in it", events, want)
			}
			return nil
		})
	})
}
