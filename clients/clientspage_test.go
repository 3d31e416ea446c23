package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clientsPage is the page with the table of what was recorded.
const clientsPage = "../docs/clients.md"

// defaultPorts are those of `signalbox up`, and of receivers that are added.
var defaultPorts = map[string]string{
	"otlp-grpc": "4317", "otlp-http": "4318", "remote-write": "4316",
	"jaeger-http": "14268", "jaeger-compact": "6831 (UDP)", "jaeger-binary": "6832 (UDP)",
	"zipkin": "9411", "opencensus": "55678", "statsd": "8125 (UDP)",
}

// The page's table is what was recorded, no more and no less.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob(archivePath("*"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range archives {
		row, err := clientRow(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		want = append(want, row)
	}
	slices.Sort(want)
	page, err := os.ReadFile(clientsPage)
	if err != nil {
		t.Fatal(err)
	}
	const heading = "|---|---|---|---|---|\n"
	before, rest, ok := strings.Cut(string(page), heading)
	if !ok {
		t.Fatalf("%s has no table of five columns", clientsPage)
	}
	rows, after, _ := strings.Cut("\n"+rest, "\n\n")
	if os.Getenv("UPDATE") != "" {
		text := before + heading + strings.Join(want, "\n") + "\n\n" + after
		if err := os.WriteFile(clientsPage, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(rows), "\n")); diff != "" {
		t.Errorf("the table of %s (-recorded +written; UPDATE=1 writes it):\n%s", clientsPage, diff)
	}
}

// clientRow is the line of the table for an archive.
func clientRow(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	comment, messages, want, err := parseArchive(text)
	if err != nil {
		return "", err
	}
	client, protocol, _ := strings.Cut(strings.TrimSpace(comment), ", ")
	if len(messages) == 0 || protocol == "" {
		return "", fmt.Errorf("it has %d messages and the protocol %q", len(messages), protocol)
	}
	var arrives []string
	for _, item := range []struct{ prefix, noun string }{
		{"\tspan ", "span"}, {"\tmetric ", "metric"}, {"\tlog ", "log record"}, {`{"metric":`, "series"},
	} {
		switch n := strings.Count("\n"+want, "\n"+item.prefix); {
		case n == 1 || n > 1 && item.noun == "series":
			arrives = append(arrives, fmt.Sprintf("%d %s", n, item.noun))
		case n > 1:
			arrives = append(arrives, fmt.Sprintf("%d %ss", n, item.noun))
		}
	}
	if len(arrives) == 0 {
		return "", fmt.Errorf("nothing comes of it")
	}
	name := filepath.Base(path)
	return fmt.Sprintf("| %s | %s | %s | %s | [%s](../clients/recorded/%s) |", client, protocol,
		defaultPorts[messages[0].port], strings.Join(arrives, ", "), strings.TrimSuffix(name, ".txtar"), name), nil
}
