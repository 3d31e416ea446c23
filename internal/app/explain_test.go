package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/explain"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// What the test of explain recorded on an API server is printed as in
// testdata/explain.
func TestExplanation(t *testing.T) {
	reports, err := filepath.Glob("../explain/testdata/*.json")
	if err != nil || len(reports) == 0 {
		t.Fatalf("got %d reports, %v", len(reports), err)
	}
	for _, file := range reports {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := new(explain.Report)
			if err := json.Unmarshal(text, r); err != nil {
				t.Fatal(err)
			}
			compareExplanation(t, name, r, name == "list")
		})
	}
	t.Run("down", func(t *testing.T) {
		compareExplanation(t, "down", &explain.Report{
			Operator: explain.Operator{
				Message: "the operator does not run (0 of 1 replicas are available, since 12 minutes ago): pods that start get nothing until it does",
				Fix:     "kubectl get pods -n opentelemetry-operator-system -l app.kubernetes.io/name=opentelemetry-operator\nsignalbox doctor",
			},
			PodsSeen: 3, Problems: []string{"reading namespace shop: forbidden"},
		}, true)
	})
}

func compareExplanation(t *testing.T, name string, r *explain.Report, list bool) {
	t.Helper()
	var x explanation
	if list {
		x.list(r)
	} else {
		x.one(r)
	}
	golden := filepath.Join("testdata", "explain", name+".txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(x.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), x.String()); diff != "" {
		t.Errorf("%s (-want +got; UPDATE=1 writes it):\n%s", golden, diff)
	}
}

func TestWorkloadNamed(t *testing.T) {
	for in, want := range map[string]review.Ref{
		"deploy/cart": {Kind: "Deployment", Name: "cart"}, "Deployment/cart": {Kind: "Deployment", Name: "cart"},
		"deployments.apps/cart": {Kind: "Deployment", Name: "cart"}, "pods cart-1": {Kind: "Pod", Name: "cart-1"},
		"sts/db": {Kind: "StatefulSet", Name: "db"}, "ds db": {Kind: "DaemonSet", Name: "db"}, "cj/x": {Kind: "CronJob", Name: "x"}, "": {},
	} {
		if got, err := workloadNamed(strings.Fields(in)); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"cart", "service/cart", "deploy/", "deploy/a/b", "/cart"} {
		if got, err := workloadNamed(strings.Fields(in)); err == nil {
			t.Errorf("%q: got %+v; want an error", in, got)
		}
	}
}
