package clients

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/images/payload"
)

// builtPayload is the root folder of a payload's image, laid out from its
// registry's packages.
func builtPayload(t *testing.T, name string) string {
	t.Helper()
	dir, err := payload.Build(t.Context(), "..", name, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "out", "root")
}

// injected is what the operator sets in a container, but for what differs by
// language.
func injected(service string, more ...string) []string {
	return append([]string{
		"OTEL_SERVICE_NAME=" + service,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + box.url("otlp-http-port"),
		"OTEL_BSP_SCHEDULE_DELAY=200",
		"OTEL_BLRP_SCHEDULE_DELAY=200",
	}, more...)
}

// pythonInjected is the environment of an instrumented Python container, whose
// own PYTHONPATH is given.
func pythonInjected(t *testing.T, service, own string) []string {
	t.Helper()
	root := builtPayload(t, "python") + "/autoinstrumentation"
	path := root + "/opentelemetry/instrumentation/auto_instrumentation:"
	if own != "" {
		path += own + ":"
	}
	return injected(service, "PYTHONPATH="+path+root, "PYTHONDONTWRITEBYTECODE=1", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_METRICS_EXPORTER=otlp", "OTEL_LOGS_EXPORTER=otlp")
}

// ended is how a program ended that a test waited for.
type ended struct {
	code           int
	stdout, stderr string
}

// runToEnd runs a program with these variables.
func runToEnd(t *testing.T, p program, env []string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// serve runs a server until it answers and has said these words, asks it n times,
// ends it with SIGTERM, and returns how it ended.
func serve(t *testing.T, p program, env []string, url string, n int, words ...string) (*os.ProcessState, string) {
	t.Helper()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), env...)
	out := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state says how
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // nothing to end when all went well
		<-done
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(cmd.Args, " "), out)
		}
	})
	awaitFor(t, url, 40*time.Second, done)
	eventually(t, func(context.Context) error {
		rest := out.String()
		for _, w := range words {
			_, after, found := strings.Cut(rest, w)
			if !found {
				return fmt.Errorf("%s does not say %q", p.args, w)
			}
			rest = after
		}
		return nil
	})
	for range n - 1 {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not end after SIGTERM", p.args)
	}
	return cmd.ProcessState, out.String()
}

// awaitFor returns once url answers. Instrumented programs start slower than
// what eventually waits for.
func awaitFor(t *testing.T, url string, limit time.Duration, ended <-chan struct{}) {
	t.Helper()
	deadline := time.After(limit)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		res, err := http.Get(url)
		if err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-again.C:
		case <-ended:
			t.Fatalf("the server of %s ended", url)
		case <-deadline:
			t.Fatalf("%s does not answer: %v", url, err)
		}
	}
}

// wantSpans waits until a service has this many spans of a name, or as many as
// another of the numbers.
func wantSpans(t *testing.T, service, name string, want ...int) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		names, err := spanNamesOf(ctx, service)
		if err != nil {
			return err
		}
		if !slices.Contains(want, names[name]) {
			return fmt.Errorf("%s has the spans %v; want %v of %q", service, names, want, name)
		}
		return nil
	})
}

// spanNamesOf counts the spans of a service by name.
func spanNamesOf(ctx context.Context, service string) (map[string]int, error) {
	var answer struct {
		Data []struct {
			Spans []struct{ OperationName string }
		}
	}
	if err := box.get(ctx, "/api/traces?limit=100&service="+service, &answer); err != nil {
		return nil, err
	}
	names := map[string]int{}
	for _, trace := range answer.Data {
		for _, s := range trace.Spans {
			names[s.OperationName]++
		}
	}
	return names, nil
}

// The tree serves every libc and architecture, and is small enough to be copied
// into each pod.
func TestPythonPayloadTree(t *testing.T) {
	t.Parallel()
	wantTree(t, "python", 15_000_000, []string{"opentelemetry-sdk 1.", "wrapt ", "urllib3 ", "Apache License"})
}

// wantTree fails the test if a payload is too large, has native code, or does not
// say whose work it is.
func wantTree(t *testing.T, name string, limit int64, notices []string) {
	t.Helper()
	root := builtPayload(t, name)
	var size int64
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, native := range []string{".so", ".node", ".pyd"} {
			if strings.HasSuffix(path, native) || strings.Contains(path, native+".") {
				t.Errorf("%s is native", path)
			}
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > limit {
		t.Errorf("the files have %d bytes; want at most %d", size, limit)
	}
	notice, err := os.ReadFile(filepath.Join(root, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range notices {
		if !strings.Contains(string(notice), want) {
			t.Errorf("NOTICE does not have %q", want)
		}
	}
}

// A real Flask application behind its servers: spans, metrics and logs arrive, and
// it ends as it does without us.
func TestPythonPayloadServers(t *testing.T) {
	t.Parallel()
	python := pythonProgram(t, "gunicorn", "app.py").args[0]
	f := func(service string, wantCode int, args ...string) {
		t.Run(service, func(t *testing.T) {
			addr := freeAddr(t, "tcp")
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "ADDR", addr)
			}
			if _, port, err := net.SplitHostPort(addr); err == nil {
				args[len(args)-1] = strings.ReplaceAll(args[len(args)-1], "PORT", port)
			}
			state, out := serve(t, program{append([]string{python}, args...), "gunicorn"}, pythonInjected(t, service, ""), "http://"+addr+"/", 4,
				"Worker ready", "Worker ready")
			if code := state.ExitCode(); code != wantCode {
				t.Errorf("after SIGTERM: got exit code %d, %s; want %d", code, state, wantCode)
			}
			if strings.Contains(out, "signalbox:") || strings.Contains(out, "Traceback") {
				t.Errorf("it says:\n%s", out)
			}
			wantSpans(t, service, "GET /", 4)
		})
	}
	f("payload-gunicorn", 0, "-m", "gunicorn", "--workers", "2", "--bind", "ADDR", "app:app")
	f("payload-gunicorn-preload", 0, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "ADDR", "app:app")
}

// A program that ends by itself keeps its exit code, its output and its children's
// environment, and what it did is sent before the end.
func TestPythonPayloadEnds(t *testing.T) {
	t.Parallel()
	app := pythonProgram(t, "gunicorn", "end.py")
	const service = "payload-python-ends"
	own := t.TempDir()
	got := runToEnd(t, app, pythonInjected(t, service, own))
	plain := runToEnd(t, app, []string{"PYTHONPATH=" + own, "OTEL_TRACES_EXPORTER=otlp"})
	if got != plain {
		t.Errorf("got %+v; want what it is without the payload: %+v", got, plain)
	}
	wantSpans(t, service, "GET /", 1)
	eventually(t, func(ctx context.Context) error {
		logs, err := box.logs(ctx, service)
		if err != nil || len(logs) != 1 {
			return fmt.Errorf("got the logs %v, %v; want one", logs, err)
		}
		return nil
	})

	// Nobody answers: the end comes within the bound.
	env := append(pythonInjected(t, service, own), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+freeAddr(t, "tcp"))
	started := time.Now()
	if got := runToEnd(t, app, env); got.code != 7 || got.stdout != plain.stdout {
		t.Errorf("without a collector: got %+v; want %+v", got, plain)
	}
	t.Logf("without a collector it ended after %s", time.Since(started))
}

// The application's own packages are the ones that it gets, and what OpenTelemetry
// cannot work with makes it step aside.
func TestPythonPayloadConflict(t *testing.T) {
	t.Parallel()
	got := runToEnd(t, pythonProgram(t, "oldurllib3", "app.py"), pythonInjected(t, "payload-python-conflict", ""))
	want := ended{3, "1.25.11 None\n", "signalbox: this Python program is not instrumented: it has urllib3 1.25.11, and OpenTelemetry needs >=1.26\n"}
	if got != want {
		t.Errorf("got %+v; want %+v", got, want)
	}
}

// What goes before the application's first line changes nothing but what it should.
func TestPythonPayloadStart(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	own := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(own, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := func(name, code string, want ended, env ...string) {
		t.Helper()
		got := runToEnd(t, program{[]string{"python3", "-c", code}, own}, append(pythonInjected(t, "payload-python-start", own), env...))
		if got != want {
			t.Errorf("%s: got %+v; want %+v", name, got, want)
		}
	}
	const loaded = `import sys; print("opentelemetry.sdk" in sys.modules)`
	f("nothing else", loaded, ended{0, "True\n", ""})
	f("switched off", loaded, ended{0, "False\n", ""}, "OTEL_SDK_DISABLED=true")
	f("mistaken sampler ratio", loaded, ended{0, "True\n", ""}, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5")
	f("missing exporter", loaded, ended{0, "False\n", "signalbox: this Python program is not instrumented: starting OpenTelemetry: RuntimeError: Requested component 'zipkin' not found in entry point 'opentelemetry_traces_exporter'\n"}, "OTEL_TRACES_EXPORTER=zipkin")

	// What pip leaves of an installed package is all that the start looks at.
	installed := func(name, version string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(own, name+"-"+version+".dist-info"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(name+"-"+version+".dist-info/METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: "+version+"\n")
	}
	installed("opentelemetry_api", "1.30.0")
	f("older API", loaded, ended{0, "True\n", ""})
	installed("opentelemetry_instrumentation", "0.51b0")
	got := runToEnd(t, program{[]string{"python3", "-c", loaded}, own}, pythonInjected(t, "payload-python-start", own))
	if want := "it has opentelemetry-instrumentation 0.51b0, and the payload is of "; got.stdout != "False\n" || !strings.Contains(got.stderr, want) {
		t.Errorf("an OpenTelemetry of its own: got %+v; want %q", got, want)
	}
	if err := os.RemoveAll(filepath.Join(own, "opentelemetry_instrumentation-0.51b0.dist-info")); err != nil {
		t.Fatal(err)
	}

	write("sitecustomize.py", "import sys\nsys.mine = __file__\n")
	f("own sitecustomize", `import sys, sitecustomize; print(sys.mine == sitecustomize.__file__)`, ended{0, "True\n", ""})
	write("sitecustomize.py", "import ddtrace\n")
	write("ddtrace.py", "")
	f("other agent", loaded, ended{0, "False\n", "signalbox: this Python program is not instrumented: ddtrace is at work already\n"})
	// An interpreter that says that it is older stands in for one that is.
	write("sitecustomize.py", "import sys\nsys.version_info = (3, 9, 2)\n")
	f("old Python", loaded, ended{0, "False\n", "signalbox: this Python program is not instrumented: it runs on Python 3.9, and OpenTelemetry needs 3.10 or newer\n"})
}
