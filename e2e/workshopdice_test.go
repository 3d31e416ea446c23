//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The walk-through with the SDK for Go, as docs/workshops/dice.md tells it: the same
// program sends from outside of the cluster, to the port of a node, and from a Job.
func TestDiceWorkshop(t *testing.T) {
	t.Parallel()
	const namespace = "dice"
	load(t, "dice:1")
	apply(t, example(t, "dice/collector.yaml"))
	ready(t, namespace, "gateway")

	dir := t.TempDir()
	if _, err := goImage("", dir, examples+"/dice", "."); err != nil {
		t.Fatal(err)
	}
	outside := exec.CommandContext(t.Context(), filepath.Join(dir, "dice"), "-rolling=10ms")
	outside.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + nodeAddress(t) + ":30317"}
	said, err := outside.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	wantGame(t, string(said))

	apply(t, example(t, "dice/job.yaml"))
	kubectl(t, "wait", "-n", namespace, "job/dice", "--for=condition=Complete", "--timeout="+waitTimeout.String())
	wantGame(t, kubectl(t, "logs", "-n", namespace, "job/dice"))
}

// nodeAddress is where the node's ports are.
func nodeAddress(t *testing.T) string {
	t.Helper()
	return kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
}

// wantGame waits for the whole trace of a game, whose id the program has printed.
func wantGame(t *testing.T, said string) {
	t.Helper()
	id := regexp.MustCompile(`(?m)^trace ([0-9a-f]{32})$`).FindStringSubmatch(said)
	if id == nil {
		t.Fatalf("the program names no trace: %s", said)
	}
	base := uiURL(t)
	await(t, "the trace "+id[1], func(ctx context.Context) error {
		one, err := traceByID(ctx, base, id[1])
		if err != nil {
			return err
		}
		throws := 0
		for _, s := range one.Spans {
			if s.Name == "throw" {
				throws++
			}
		}
		if throws != 10 {
			return fmt.Errorf("it has %d throws; want 10", throws)
		}
		return nil
	})
}
