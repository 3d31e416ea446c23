//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// The walk-through with gunicorn, as docs/workshops/gunicorn.md tells it: what
// gunicorn says to StatsD, what two programs measure with OpenCensus, and the traces
// go over OpenCensus from an agent to a gateway, and on to the store.
func TestGunicornWorkshop(t *testing.T) {
	t.Parallel()
	const namespace = "gunicorn"
	load(t, "flask-app:1")
	load(t, "orders:1")
	apply(t, example(t, "gunicorn/chain.yaml"))
	ready(t, namespace, "gateway")
	ready(t, namespace, "agent")
	apply(t, example(t, "gunicorn/app.yaml"))
	rollout(t, namespace, "deployment/flask-app")
	rollout(t, namespace, "deployment/orders")

	began, url := time.Now(), serviceURL(t, namespace, "flask-app", "80")
	answering(t, url)
	out, err := program(t.Context(), "load", "--host", url, "--tasks", examples+"/gunicorn/load.yaml",
		"--users", "5", "--spawn-rate", "5", "--wait", "100ms,500ms", "--run-time", "5s", "--web=")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantWay(t, began, "flask-app: GET /", "flask-app: greet")
	for _, expr := range []string{
		// gunicorn, by StatsD.
		`flask_app_gunicorn_workers == 2`,
		`flask_app_gunicorn_requests > 0`,
		`flask_app_gunicorn_request_status_200 > 0`,
		// The application, by OpenCensus.
		`sum by (language) (flask_app_hellos_total{language="de"}) > 0`,
		// The other program.
		`orders_open{shop="north"} > 0`,
	} {
		wantSeries(t, expr)
	}
}

// wantSeries waits until a query has an answer.
func wantSeries(t *testing.T, expr string) {
	t.Helper()
	base := uiURL(t)
	await(t, expr, func(ctx context.Context) error {
		got, err := series(ctx, base, expr)
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("no series")
		}
		return err
	})
}
