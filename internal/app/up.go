package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/signalbox-otel/signalbox/internal/collector"
	"github.com/signalbox-otel/signalbox/internal/demo"
	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// telemetryFlag moves the port of the collector's own metrics, which only
// Signalbox itself reads.
const telemetryFlag = "telemetry-port"

// upSettings is what the flags of `signalbox up` say.
type upSettings struct {
	dataDir       string
	configs       []string
	sets          []string
	listen        string
	ports         map[string]*int // by flag
	without       []string
	hostMetrics   bool
	retention     time.Duration
	retentionSize string
	logLevel      string
	operator      string
	operatorToken string
	demo          bool
	demoPort      int
}

func newUp() *cobra.Command {
	s := upSettings{ports: map[string]*int{}, retention: 7 * 24 * time.Hour, logLevel: "warn"}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run collector, store and query APIs on this machine",
		Long: `Up runs everything in one process: a collector that takes OpenTelemetry, Jaeger
and Zipkin data, a store that keeps it, and the APIs that answer queries.

It listens on localhost only, unless --listen says otherwise. Data stays in the
data directory over restarts, for 7 days or until it fills a tenth of the disk,
whichever is first. Ctrl-C finishes what has arrived and exits.

--config merges a collector configuration over the built-in one: maps are merged
key by key, lists are replaced. See the result with --print-config.`,
		Example: `  signalbox up
  signalbox up --demo
  signalbox up --data-dir /var/lib/signalbox --retention 30d
  signalbox up --otlp-grpc-port 14317 --without jaeger,zipkin
  signalbox up --host-metrics --config my-receivers.yaml`,
		Args: exactArgs(0, "none: what to run is said by flags and --config"),
	}
	f := cmd.Flags()
	f.StringVar(&s.dataDir, "data-dir", "", "where the data is kept (default: signalbox in the user's data home)")
	f.StringArrayVar(&s.configs, "config", nil, "collector configuration to merge over the built-in one; may be repeated")
	f.StringArrayVar(&s.sets, "set", nil, "one configuration value, as receivers.otlp.protocols.grpc.max_recv_msg_size_mib=16; may be repeated")
	f.StringVar(&s.listen, "listen", "localhost", "address to listen on; 0.0.0.0 opens it to other machines, without authentication")
	for _, l := range listeners {
		port := l.port
		s.ports[l.flag] = &port
		f.Var(portNumber{&port}, l.flag, "port of "+l.name+" ("+l.network+")")
	}
	f.StringSliceVar(&s.without, "without", nil, "receivers to leave out: "+strings.Join(groups(), ", "))
	f.BoolVar(&s.hostMetrics, "host-metrics", false, "collect this machine's CPU, memory, disk and network metrics too")
	f.Var(span{&s.retention}, "retention", "keep data this long")
	f.StringVar(&s.retentionSize, "retention-size", "", "keep at most this much, as 20GiB (default: 10 % of the disk)")
	f.StringVar(&s.operator, "operator", "", "`address` of a Kubernetes operator to ask what it instruments, for the page")
	f.StringVar(&s.operatorToken, "operator-token", "", "`file` with the token to show to it")
	f.BoolVar(&s.demo, "demo", false, "run the guestbook of 'signalbox demo' too, with visitors, to have something to see")
	f.IntVar(&s.demoPort, "demo-port", 8080, "port of the guestbook (tcp)")
	printConfig := f.Bool("print-config", false, "print the configuration that would run, and exit")
	_ = cmd.RegisterFlagCompletionFunc("without", cobra.FixedCompletions(groups(), cobra.ShellCompDirectiveNoFileComp))
	choiceFlag(cmd, choice{&s.logLevel, []string{"debug", "info", "warn", "error"}, "level"}, "log-level", "", "how much is logged: ")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var d *upDemo
		if err := s.check(); err != nil {
			return err
		}
		if s.demo {
			var err error
			if d, err = s.openDemo(); err != nil {
				return err
			}
			defer d.guestbook.Close()
		}
		set, err := s.collectorSettings(d)
		if err != nil {
			return err
		}
		if *printConfig {
			return collector.PrintConfig(cmd.Context(), set, cmd.OutOrStdout())
		}
		return s.run(cmd.Context(), set, d, cmd.OutOrStdout())
	}
	return cmd
}

// run starts the collector, and the demo unless it is nil, and says where they
// listen, until ctx ends.
func (s *upSettings) run(ctx context.Context, set collector.Settings, d *upDemo, stdout io.Writer) error {
	conf, err := collector.Resolve(ctx, set)
	if err != nil {
		return err
	}
	endpoints := s.endpoints(conf)
	if err := checkFree(endpoints); err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	set.Reload = reload
	ready := make(chan struct{})
	set.Ready = func() {
		s.announce(stdout, endpoints, d)
		close(ready)
	}
	collect := func(ctx context.Context) error { return collector.Run(ctx, set) }
	if d == nil {
		err = collect(ctx)
	} else {
		err = d.runBeside(ctx, ready, collect)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "Stopped; everything that was acknowledged is on disk.")
	return err
}

// collectorSettings lays the flags and the user's files over the built-in
// configuration.
func (s *upSettings) collectorSettings(d *upDemo) (collector.Settings, error) {
	overlay, err := s.overlay(d)
	if err != nil {
		return collector.Settings{}, err
	}
	uris := []string{"yaml:" + collector.AllInOne}
	if s.hostMetrics {
		uris = append(uris, "yaml:"+collector.HostMetrics)
	}
	uris = append(uris, "yaml:"+overlay)
	set := collector.Settings{
		ConfigURIs: append(uris, s.configs...),
		Sets:       s.sets,
		Version:    Version,
		Migrate:    migrate.Options{InPod: collector.InPod()},
	}
	if d != nil {
		set.Load = shownLoad{d.session, nil}
	}
	if s.operator != "" {
		set.Instrumentation = askOperator(s.operator, s.operatorToken)
	}
	return set, nil
}

// check finds mistakes in the flags and the place for the data.
func (s *upSettings) check() error {
	for _, name := range s.without {
		if !slices.Contains(groups(), name) {
			return usageError{fmt.Errorf("--without %s: want some of %s", name, strings.Join(groups(), ", "))}
		}
	}
	if s.demoPort < 0 || s.demoPort > 65535 {
		return usageError{fmt.Errorf("--demo-port %d: want a port, 0 for any that is free", s.demoPort)}
	}
	if u, err := url.Parse(s.operator); s.operator != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return usageError{fmt.Errorf("--operator %s: want an address, as http://localhost:8082", s.operator)}
	}
	if err := s.checkTwice(); err != nil {
		return err
	}
	if s.dataDir == "" {
		home, err := dataHome()
		if err != nil {
			return err
		}
		s.dataDir = filepath.Join(home, "signalbox")
	}
	return nil
}

// overlay is the flags as collector configuration.
func (s *upSettings) overlay(d *upDemo) (string, error) {
	m := map[string]any{}
	setPath(m, "extensions::query::directory", s.dataDir)
	setPath(m, "extensions::query::retention::max_age", s.retention.String())
	if s.retentionSize != "" {
		setPath(m, "extensions::query::retention::max_size", s.retentionSize)
	}
	setPath(m, "service::telemetry::logs::level", s.logLevel)
	for _, l := range listeners {
		if l.key != "" {
			setPath(m, l.key, joinPort(s.listen, *s.ports[l.flag]))
		}
	}
	s.overlayTelemetry(m)
	if d != nil {
		d.overlay(m)
	}
	if len(s.without) > 0 {
		receivers := []string{"otlp"}
		for _, name := range groups() {
			if !slices.Contains(s.without, name) {
				receivers = append(receivers, name)
			}
		}
		setPath(m, "service::pipelines::traces::receivers", receivers)
	}
	text, err := yaml.Marshal(m)
	return string(text), err
}

// overlayTelemetry moves the collector's own metrics, and where they are scraped
// from. They are for this process, so they stay on localhost.
func (s *upSettings) overlayTelemetry(m map[string]any) {
	port := *s.ports[telemetryFlag]
	setPath(m, "service::telemetry::metrics::readers", []any{map[string]any{"pull": map[string]any{"exporter": map[string]any{
		"prometheus": map[string]any{"host": "localhost", "port": port, "without_type_suffix": false}}}}})
	setPath(m, "receivers::prometheus/self::config::scrape_configs", []any{map[string]any{
		"job_name": "signalbox", "scrape_interval": "15s",
		"static_configs": []any{map[string]any{"targets": []string{
			joinPort("localhost", port), dialable(joinPort(s.listen, *s.ports["port"]))}}}}})
}

// endpoints are the addresses of the configuration that will run, which the
// user's files may have changed.
func (s *upSettings) endpoints(conf *confmap.Conf) []endpoint {
	var all []endpoint
	for _, l := range listeners {
		address, ok := conf.Get(l.key).(string)
		if l.key == "" {
			address, ok = joinPort("localhost", *s.ports[l.flag]), true
		}
		if ok && !slices.Contains(s.without, l.group) {
			all = append(all, endpoint{l, address})
		}
	}
	return all
}

// announce prints where the product listens and how to send to it.
func (s *upSettings) announce(w io.Writer, endpoints []endpoint, d *upDemo) {
	at := map[string]string{}
	fmt.Fprintf(w, "Signalbox %s is up. Data is kept in %s.\n\n", Version, s.dataDir)
	for _, e := range endpoints {
		address := e.address
		if e.flag == "port" {
			address = "http://" + dialable(address)
		}
		at[e.flag] = dialable(e.address)
		if e.flag == telemetryFlag {
			continue
		}
		fmt.Fprintf(w, "  %-15s %s%s\n", e.name, address, map[string]string{"udp": " (udp)"}[e.network])
	}
	if d != nil {
		fmt.Fprintf(w, "  %-15s http://%s\n", "guestbook", dialable(d.guestbook.Address(demo.Frontend)))
	}
	fmt.Fprintf(w, "\nSend something, then ask for it:\n\n  %s\n\n  signalbox query traces%s\n\n", curlLine(at["otlp-http-port"]), serverFlag(at["port"]))
	fmt.Fprintf(w, "Programs with an OpenTelemetry SDK need only OTEL_EXPORTER_OTLP_ENDPOINT=http://%s\nStop with Ctrl-C.\n", at["otlp-http-port"])
}

// serverFlag is what `signalbox query` needs to find a server that does not
// listen where it looks.
func serverFlag(address string) string {
	if "http://"+address == defaultServer {
		return ""
	}
	return " --server http://" + address
}

// curlLine sends one span of this moment, in any POSIX shell.
func curlLine(address string) string {
	return `t=$(date +%s); curl -f http://` + address + `/v1/traces -H 'Content-Type: application/json' -d '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"hello"}}]},"scopeSpans":[{"spans":[{"traceId":"'$(printf %032x $t)'","spanId":"'$(printf %016x $t)'","name":"first span","kind":1,"startTimeUnixNano":"'$t'000000000","endTimeUnixNano":"'$t'250000000"}]}]}]}'`
}

// dialable is an address that a client on this machine can use.
func dialable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// errNoServer is what commands that need a server say when none answers.
var errNoServer = errors.New("no Signalbox answers there; start one with 'signalbox up', or name another with --server")
