package clients

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nodeInjected is the environment of an instrumented Node.js container.
func nodeInjected(t *testing.T, service string) []string {
	t.Helper()
	return injected(service, "NODE_OPTIONS=--require "+builtPayload(t, "nodejs")+"/autoinstrumentation/autoinstrumentation.js")
}

// The payload is small enough to be copied into each pod, and says whose work it
// is.
func TestNodePayloadTree(t *testing.T) {
	t.Parallel()
	wantTree(t, "nodejs", 6_000_000, []string{"@opentelemetry/sdk-node 0.", "import-in-the-middle 3.", "Apache License", "MIT License"})
}

// Express in both module systems: the spans of the framework and the log records
// with their trace arrive, and SIGTERM does what it does without us, with and
// without a listener of the application's own.
func TestNodePayloadServers(t *testing.T) {
	t.Parallel()
	f := func(service, script string, wantSignal syscall.Signal, wantCode int, args ...string) {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			addr := freeAddr(t, "tcp")
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			app := nodeProgram(t, "express", script)
			app.args = append(append(app.args, port), args...)
			state, out := serve(t, app, nodeInjected(t, service), "http://"+addr+"/hello/you", 3)
			status := state.Sys().(syscall.WaitStatus)
			if wantSignal != 0 && (!status.Signaled() || status.Signal() != wantSignal) || wantSignal == 0 && status.ExitStatus() != wantCode {
				t.Errorf("after SIGTERM it ended with %s; want signal %d or exit code %d", state, wantSignal, wantCode)
			}
			if strings.Contains(out, "signalbox:") || strings.Contains(out, "Warning") {
				t.Errorf("it says:\n%s", out)
			}
			wantSpans(t, service, "GET /hello/:name", 3)
			wantSpans(t, service, "request handler - /hello/:name", 3)
			eventually(t, func(ctx context.Context) error {
				logs, err := box.logs(ctx, service)
				if err != nil || len(logs) != 3 || logs[0].TraceID == "" {
					return fmt.Errorf("got the logs %v, %v; want three with a trace", logs, err)
				}
				return nil
			})
		})
	}
	f("payload-express-cjs", "server.cjs", syscall.SIGTERM, 0)
	f("payload-express-esm", "server.mjs", syscall.SIGTERM, 0)
	f("payload-express-cjs-handler", "server.cjs", 0, 3, "handler")
	f("payload-express-esm-handler", "server.mjs", 0, 3, "handler")
}

// What goes before the program's first line changes nothing but what it should.
func TestNodePayloadStart(t *testing.T) {
	t.Parallel()
	need(t, "node")
	dir := t.TempDir()
	env := nodeInjected(t, "payload-node-start")
	f := func(name, code string, want ended, more ...string) {
		t.Helper()
		got := runToEnd(t, program{[]string{"node", "-e", code}, dir}, append(env, more...))
		if got != want {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
	}
	const loaded = `console.log(Symbol.for("opentelemetry.js.api.1") in globalThis, process.env.OTEL_METRICS_EXPORTER)`
	f("nothing else", loaded, ended{0, "true undefined\n", ""})
	f("exit code", loaded+"; process.exitCode = 7", ended{7, "true undefined\n", ""})
	f("exit at once", "process.exit(5)", ended{5, "", ""})
	f("switched off", loaded, ended{0, "false undefined\n", ""}, "OTEL_SDK_DISABLED=true")
	f("worker", `new (require("worker_threads").Worker)("process.exit(2)", {eval: true}).on("exit", (c) => console.log(c))`, ended{0, "2\n", ""})
	f("mistaken setting", loaded, ended{0, "true undefined\n", ""}, "OTEL_TRACES_EXPORTER=nonsense", "OTEL_TRACES_SAMPLER=nonsense")

	other := filepath.Join(dir, "other.js")
	if err := os.WriteFile(other, []byte(`globalThis[Symbol.for("dd-trace")] = {}`), 0o644); err != nil {
		t.Fatal(err)
	}
	agent := strings.TrimPrefix(env[len(env)-1], "NODE_OPTIONS=")
	f("other agent", loaded, ended{0, "false undefined\n", "signalbox: this Node.js program is not instrumented: dd-trace is at work already\n"},
		"NODE_OPTIONS=--require "+other+" "+agent)
}

// What the bundle loads at its first use is there: the exporters over gRPC, and the
// detectors of clouds.
func TestNodePayloadSeldomUsed(t *testing.T) {
	t.Parallel()
	const service = "payload-node-grpc"
	addr := freeAddr(t, "tcp")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	app := nodeProgram(t, "express", "server.cjs")
	app.args = append(app.args, port)
	env := append(nodeInjected(t, service), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT="+box.url("otlp-grpc-port"),
		"OTEL_NODE_RESOURCE_DETECTORS=env,container,host")
	serve(t, app, env, "http://"+addr+"/hello/you", 2)
	wantSpans(t, service, "GET /hello/:name", 2)
}
