package clients

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// block is a fenced piece of docs/send-data.md that says which client's folder
// it is run in: ```sh in node.
type block struct {
	language, client, text string
}

var fence = regexp.MustCompile("(?ms)^```(\\w+) in (\\S+)\n(.*?)^```$")

func pageBlocks(t *testing.T, language string) []block {
	t.Helper()
	page, err := os.ReadFile("../docs/send-data.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		if m[1] == language {
			blocks = append(blocks, block{language: m[1], client: m[2], text: m[3]})
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("docs/send-data.md has no block of %s", language)
	}
	return blocks
}

// services are the names under which a block's program sends spans.
var services = regexp.MustCompile(`(?:SERVICE_NAME=|traces .*--service |"service.name", "value": \{"stringValue": ")([\w-]+)`)

// The lines of docs/send-data.md do what the page says when they are pasted into
// a shell; only the ports are others.
func TestPage(t *testing.T) {
	t.Parallel()
	for i, b := range pageBlocks(t, "sh") {
		t.Run(fmt.Sprintf("%d in %s", i+1, b.client), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-euc", box.moved(b.text))
			var path string
			cmd.Dir, path = place(t, b.client)
			cmd.Env = append(os.Environ(), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s\n%s", err, b.text, out)
			}
			for _, m := range services.FindAllStringSubmatch(b.text, -1) {
				eventually(t, func(ctx context.Context) error {
					var known struct{ Data []string }
					if err := box.get(ctx, "/api/services", &known); err != nil {
						return err
					}
					if !slices.Contains(known.Data, m[1]) {
						return fmt.Errorf("no service %q among %q", m[1], known.Data)
					}
					return nil
				})
			}
		})
	}
}

// The page's configuration for StatsD does what it says, but sooner.
func TestPageStatsD(t *testing.T) {
	t.Parallel()
	blocks := pageBlocks(t, "yaml")
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	conn.Close()
	config := strings.NewReplacer("localhost:8125", addr, "10s", "100ms").Replace(blocks[0].text)
	dir := t.TempDir()
	file := filepath.Join(dir, "statsd.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startOwn(t, filepath.Join(dir, "data"), "--config", file)
	sendUDP(t, "StatsD lines", addr, []byte("shop.orders:3|c|#channel:web\nshop.queue.length:7|g"))
	sendUDP(t, "StatsD lines", addr, []byte("shop.orders:4|c|#channel:web"))
	for expr, want := range map[string]float64{`shop_orders{channel="web"}`: 7, `shop_queue_length`: 7} {
		s.wantValue(t, expr, want)
	}
	stopOwn(t, s)
}

// place is the folder in which a client's lines are run, and the folder of the
// commands that they need.
func place(t *testing.T, client string) (dir, path string) {
	t.Helper()
	switch client {
	case "gosdk":
		return client, ""
	case "node":
		return nodeProgram(t, client, "shop.mjs").dir, ""
	case "jaegerjs", "zipkinjs":
		return nodeProgram(t, client, "shop.js").dir, ""
	case "python":
		return client, filepath.Dir(pythonProgram(t, client, "shop.py").args[0])
	case "telemetrygen":
		return t.TempDir(), filepath.Dir(telemetrygen(t).args[0])
	case "promtool":
		return t.TempDir(), filepath.Dir(promtool(t).args[0])
	}
	return t.TempDir(), ""
}

// defaults are the ports of `signalbox up` without flags.
var defaults = map[string]string{
	"4315": "telemetry-port", "4316": "port", "4317": "otlp-grpc-port", "4318": "otlp-http-port",
	"14250": "jaeger-grpc-port", "14268": "jaeger-http-port",
	"6831": "jaeger-compact-port", "6832": "jaeger-binary-port", "9411": "zipkin-port",
}

var number = regexp.MustCompile(`\b\d{4,5}\b`)

// moved is text with default ports replaced by s's.
func (s *signalbox) moved(text string) string {
	return number.ReplaceAllStringFunc(text, func(n string) string {
		if flag, ok := defaults[n]; ok {
			return strconv.Itoa(s.ports[flag])
		}
		return n
	})
}
