//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The walk-through with Redis, as docs/workshops/visits.md tells it: a trace through
// both programs to Redis, the log record with the trace's id, and nothing of the
// kubelet's probes.
func TestVisitsWorkshop(t *testing.T) {
	t.Parallel()
	const namespace = "visits"
	load(t, "visits:1")
	load(t, "redis:7")
	apply(t, example(t, "visits/collector.yaml"))
	ready(t, namespace, "node")
	apply(t, example(t, "visits/instrumentation.yaml"))
	apply(t, example(t, "visits/visits.yaml"))
	for _, name := range []string{"redis", "users", "visits"} {
		rollout(t, namespace, "deployment/"+name)
	}
	users, visits := serviceURL(t, namespace, "users", "8000"), serviceURL(t, namespace, "visits", "8000")
	answering(t, users, visits)
	began := time.Now()
	visit(t, users, visits)

	wantWay(t, began, "visits: GET /visits/<int:number>", "visits: GET", "users: GET /users/<int:number>", "users: HGET")
	found := wantWay(t, began, "visits: GET /visits/<int:number>", "visits: INCRBY")
	wantRecord(t, found.ID, "visit 1 of Ada")
	traces, err := tracesOf(t.Context(), uiURL(t), "visits", "GET /healthz", began, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(traces) != 0 {
		t.Errorf("the kubelet's probes are traced: %+v", traces)
	}
}

// visit gives number 7 the name Ada, and lets her visit once.
func visit(t *testing.T, users, visits string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, users+"/users/7/Ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("PUT /users/7/Ada: got %s; want 204", resp.Status)
	}
	if body, err := get(t.Context(), visits+"/visits/7"); err != nil || string(body) != "{\"hello\":\"Ada\",\"visit\":1}\n" {
		t.Fatalf("GET /visits/7: got %s, %v", body, err)
	}
}

// wantRecord waits for a log record of a trace with a text.
func wantRecord(t *testing.T, traceID, text string) {
	t.Helper()
	address := uiURL(t) + "/api/signalbox/v1/logs?q=" + url.QueryEscape("trace:id = "+traceID)
	await(t, "a log record of trace "+traceID, func(ctx context.Context) error {
		body, err := get(ctx, address)
		if err != nil {
			return err
		}
		var answer struct{ Logs []struct{ Body string } }
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		for _, r := range answer.Logs {
			if strings.Contains(r.Body, text) {
				return nil
			}
		}
		return fmt.Errorf("none has %q: %s", text, body)
	})
}
