//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The second seed's first collector, in the three modes that it draws: one for
// the cluster, one on each node, one in each pod.
func TestModesOfTheTutorial(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"deployment", "daemonset", "sidecar"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			namespace := "tutorial-" + mode
			apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
			text := readFile(t, seed("002-simplest.yaml"))
			if mode != "deployment" {
				text = strings.Replace(text, "\nspec:\n", "\nspec:\n  mode: "+mode+"\n", 1)
			}
			// The store beside its debug exporter, to see what came.
			text = strings.Replace(text, "    exporters:\n      debug:\n", "    exporters:\n      debug:\n      otlp:\n        endpoint: "+otlp+"\n        tls: {insecure: true}\n", 1)
			text = strings.Replace(text, "exporters: [debug]", "exporters: [debug, otlp]", 1)
			apply(t, text, "-n", namespace)
			ready(t, namespace, "simplest")

			if mode == "sidecar" {
				// The Job completes: the collector beside its program ends with it.
				id := dice(t, namespace, `{sidecar.opentelemetry.io/inject: "true"}`, "http://localhost:4317")
				wantDice(t, id)
				return
			}
			id := dice(t, namespace, "{}", "http://simplest-collector."+namespace+":4317")
			wantDice(t, id)
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// atLeast wants a sample of Prometheus' text format, by its name and labels as a
// regular expression, to be so much.
func atLeast(ctx context.Context, url, sample string, want float64) error {
	body, err := get(ctx, url)
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`(?m)^` + sample + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		return fmt.Errorf("%s has no %s", url, sample)
	}
	got, err := strconv.ParseFloat(string(found[1]), 64)
	if err == nil && got < want {
		err = fmt.Errorf("%s is %v; want %v at least", sample, got, want)
	}
	return err
}
