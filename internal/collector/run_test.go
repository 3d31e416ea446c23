package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// collectorUnderTest is a collector that runs in this process.
type collectorUnderTest struct {
	config string // path of its configuration
	reload chan os.Signal
	logged chan string // messages
	done   chan error
	stop   context.CancelFunc
}

// startCollector runs a collector of the configuration, and returns when it is
// ready.
func startCollector(t *testing.T, config string) *collectorUnderTest {
	t.Helper()
	c := &collectorUnderTest{
		config: filepath.Join(t.TempDir(), "config.yaml"),
		reload: make(chan os.Signal),
		logged: make(chan string, 1000),
		done:   make(chan error, 1),
	}
	c.write(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	ready := make(chan struct{})
	go func() {
		c.done <- Run(ctx, Settings{
			ConfigURIs: []string{c.config},
			Version:    "v0.0.0-test",
			Reload:     c.reload,
			Ready:      sync.OnceFunc(func() { close(ready) }),
			LoggingOptions: []zap.Option{
				zap.WrapCore(func(zapcore.Core) zapcore.Core { return messagesTo(c.logged) }),
			},
		})
	}()
	select {
	case <-ready:
	case err := <-c.done:
		t.Fatalf("collector did not start: %v", err)
	}
	t.Cleanup(cancel)
	return c
}

func (c *collectorUnderTest) write(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(c.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// waitLog waits until a message that contains text was logged.
func (c *collectorUnderTest) waitLog(t *testing.T, text string) {
	t.Helper()
	for {
		select {
		case m := <-c.logged:
			if strings.Contains(m, text) {
				return
			}
		case err := <-c.done:
			t.Fatalf("waiting for log %q: collector ended: %v", text, err)
		case <-t.Context().Done():
			t.Fatalf("waiting for log %q", text)
		}
	}
}

// messageCore is a log core that sends messages with their fields to a channel.
type messageCore struct {
	zapcore.LevelEnabler
	fields []zapcore.Field
	to     chan<- string
}

// messagesTo returns a log core that sends to a channel.
func messagesTo(to chan<- string) zapcore.Core {
	return &messageCore{LevelEnabler: zapcore.InfoLevel, to: to}
}

func (m *messageCore) With(fields []zapcore.Field) zapcore.Core {
	return &messageCore{m.LevelEnabler, append(m.fields[:len(m.fields):len(m.fields)], fields...), m.to}
}

func (m *messageCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if m.Enabled(e.Level) {
		return ce.AddCore(e, m)
	}
	return ce
}

func (m *messageCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m.to <- text(keptEntry{e, append(m.fields[:len(m.fields):len(m.fields)], fields...)})
	return nil
}

func (m *messageCore) Sync() error { return nil }

// freePort returns an address that nothing listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// otlpConfig is a collector that receives OTLP over HTTP at addr, with its own
// metrics at metrics.
func otlpConfig(addr, metrics string) string {
	host, port, _ := net.SplitHostPort(metrics)
	return fmt.Sprintf(`
receivers:
  otlp:
    protocols:
      http:
        endpoint: %s
exporters:
  otlp/old_name:
    endpoint: 127.0.0.1:1
    tls: {insecure: true}
  nop:
service:
  telemetry:
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [nop, otlp/old_name]
`, addr, host, port)
}

func sendTraces(addr string) error {
	resp, err := http.Post("http://"+addr+"/v1/traces", "application/json", strings.NewReader(`{"resourceSpans":[]}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// A collector goes on through every configuration that it cannot run, and
// takes over one that it can.
func TestReload(t *testing.T) {
	first, second, metrics := freePort(t), freePort(t), freePort(t)
	c := startCollector(t, otlpConfig(first, metrics))
	check := func(addr, state string) {
		t.Helper()
		if err := sendTraces(addr); err != nil {
			t.Errorf("%s: sending to %s: %v", state, addr, err)
		}
	}
	check(first, "started")

	c.write(t, "receivers: [")
	c.reload <- syscall.SIGHUP
	c.waitLog(t, "configuration rejected; the one before keeps running")
	check(first, "after a file that is not YAML")

	c.write(t, strings.ReplaceAll(otlpConfig(second, metrics), "otlp:", "otpl:"))
	c.reload <- syscall.SIGHUP
	c.waitLog(t, "did you mean")
	check(first, "after an unknown component")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c.write(t, otlpConfig(taken.Addr().String(), metrics))
	c.reload <- syscall.SIGHUP
	c.waitLog(t, "configuration rejected: it did not start; the one before runs again")
	check(first, "after an address in use")

	if got, want := fetch(t, "http://"+metrics+"/metrics"), "signalbox_config_rejected_total"; !strings.Contains(got, want) {
		t.Errorf("metrics: got none of name %s in\n%s", want, got)
	} else if i := strings.LastIndex(got, want); !strings.Contains(strings.SplitN(got[i:], "\n", 2)[0], " 3") {
		t.Errorf("rejected: got %q; want 3", strings.SplitN(got[i:], "\n", 2)[0])
	}

	c.write(t, otlpConfig(second, metrics))
	c.reload <- syscall.SIGHUP
	c.waitLog(t, "Everything is ready")
	check(second, "after a good configuration")

	c.stop()
	if err := <-c.done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// The names that upstream deprecates are ours to keep: no warning about them.
func TestOldNamesAreQuiet(t *testing.T) {
	c := startCollector(t, otlpConfig(freePort(t), freePort(t)))
	c.stop()
	if err := <-c.done; err != nil {
		t.Fatal(err)
	}
	for len(c.logged) > 0 {
		if m := <-c.logged; strings.Contains(m, "deprecated") {
			t.Errorf("logged %q", m)
		}
	}
}

func TestAddressInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte(otlpConfig(taken.Addr().String(), freePort(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	logged := newEntries()
	err = Run(t.Context(), Settings{ConfigURIs: []string{config}, LoggingOptions: []zap.Option{
		zap.WrapCore(func(zapcore.Core) zapcore.Core { return logged }),
	}})
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{taken.Addr().String(), `"otlp" receiver`, "address already in use"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q; want it to contain %q", err, want)
		}
	}
	for _, k := range logged.kept.list {
		if k.entry.Level >= zapcore.ErrorLevel {
			t.Errorf("logged %q; want the error to be returned alone", k.entry.Message)
		}
	}
}

// A component that fails while it runs ends the collector with its error.
func TestFailingComponentEndsRun(t *testing.T) {
	broken := errors.New("the disk is gone")
	typ := component.MustNewType("broken")
	err := Run(t.Context(), Settings{
		ConfigURIs: []string{"yaml:{extensions: {broken: }, receivers: {nop: }, exporters: {nop: }, service: {extensions: [broken], " +
			"telemetry: {metrics: {level: none}}, pipelines: {traces: {receivers: [nop], exporters: [nop]}}}}"},
		LoggingOptions: []zap.Option{zap.WrapCore(func(zapcore.Core) zapcore.Core { return zapcore.NewNopCore() })},
		Factories: func() (otelcol.Factories, error) {
			f, err := Factories()
			nop := receivertest.NewNopFactory()
			f.Receivers[nop.Type()] = nop
			f.Extensions[typ] = extension.NewFactory(typ, func() component.Config { return &struct{}{} },
				func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
					return failing{broken}, nil
				}, component.StabilityLevelStable)
			return f, err
		},
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v; want %v", err, broken)
	}
}

// failing is an extension that fails as soon as it has started.
type failing struct{ err error }

func (f failing) Start(_ context.Context, host component.Host) error {
	go componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(f.err))
	return nil
}

func (f failing) Shutdown(context.Context) error { return nil }
