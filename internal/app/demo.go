package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/demo"
)

// demoFlags are the flags that move the ports of the guestbook.
var demoFlags = map[string]string{
	demo.Frontend: "frontend-port",
	demo.Backend:  "backend-port",
	demo.Store:    "store-port",
}

// demoSettings is what the flags of `signalbox demo` say.
type demoSettings struct {
	listen    string
	ports     map[string]*int // by part
	backendAt string
	storeAt   string
	database  string
	mongodb   string
	endpoint  string
	errors    float64
	latency   time.Duration
}

func newDemo() *cobra.Command {
	s := demoSettings{ports: map[string]*int{}}
	cmd := &cobra.Command{
		Use:   "demo [frontend|backend|store]",
		Short: "Run the guestbook, an instrumented application to look at",
		Long: `Demo runs a guestbook: a frontend asks a backend, which asks a store, which keeps
messages in SQLite. Each part sends traces, metrics and logs over OTLP as a
service of its own, and has Prometheus metrics at /metrics.

Without an argument all parts run in this process. Open the frontend in a
browser and write something, or let 'signalbox load' do it; then ask:

  signalbox query traces '{ resource.service.name = "guestbook-frontend" }'

With an argument only that part runs. It reads PORT, and GUESTBOOK_API_ADDR
(frontend) or GUESTBOOK_DB_ADDR (backend), as the parts of the original do.
OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of OpenTelemetry hold too.`,
		Example: `  signalbox demo
  signalbox demo --errors 0.05 --latency 500ms
  signalbox demo store & signalbox demo backend & signalbox demo frontend
  signalbox demo --mongodb mongodb://localhost:27017
  GUESTBOOK_API_ADDR=backend:8080 PORT=8080 signalbox demo frontend --listen 0.0.0.0`,
		ValidArgs: demo.Parts,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !slices.Contains(demo.Parts, args[0]) {
				return usageError{fmt.Errorf("got %q; want one of %s, or nothing for all", strings.Join(args, " "), strings.Join(demo.Parts, ", "))}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "localhost", "address to listen on")
	for i, part := range demo.Parts {
		s.ports[part] = f.Int(demoFlags[part], 8080+i, "port of the "+part)
	}
	f.StringVar(&s.backendAt, "backend", "", "where the frontend finds the backend (default: $GUESTBOOK_API_ADDR, or this machine)")
	f.StringVar(&s.storeAt, "store", "", "where the backend finds the store (default: $GUESTBOOK_DB_ADDR, or this machine)")
	f.StringVar(&s.database, "database", "", "SQLite file of the messages (default: signalbox-demo/guestbook.db in the user's data home)")
	f.StringVar(&s.mongodb, "mongodb", "", "let the backend keep messages in this MongoDB, as mongodb://localhost:27017, and not in the store")
	f.StringVar(&s.endpoint, "otlp-endpoint", "", "OTLP/HTTP endpoint for the telemetry (default: $OTEL_EXPORTER_OTLP_ENDPOINT, or http://localhost:4318)")
	f.Float64Var(&s.errors, "errors", 0, "share of the backend's requests that fail on purpose, 0 to 1")
	f.DurationVar(&s.latency, "latency", 0, "let one in ten requests to the database wait about this long on purpose")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		parts := demo.Parts
		if len(args) == 1 {
			parts = args
		}
		if s.mongodb != "" {
			if slices.Equal(parts, []string{demo.Store}) {
				return usageError{errors.New("--mongodb: the backend asks MongoDB itself; there is no store then")}
			}
			parts = slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part == demo.Store })
		}
		return s.run(cmd.Context(), parts, cmd.Flags().Changed, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// run serves the guestbook until ctx ends.
func (s *demoSettings) run(ctx context.Context, parts []string, changed func(string) bool, stdout, stderr io.Writer) error {
	set, err := s.guestbook(parts, changed)
	if err != nil {
		return err
	}
	set.Logs = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	logUndelivered(slog.New(set.Logs))
	g, err := demo.Open(set)
	if err != nil {
		return takenPort(err, func(part string) string { return demoFlags[part] })
	}
	fmt.Fprintf(stdout, "The guestbook is up; it sends telemetry to %s.\n\n", set.OTLP)
	for _, part := range parts {
		fmt.Fprintf(stdout, "  %-10shttp://%s\n", part, g.Address(part))
	}
	fmt.Fprintf(stdout, "\nStop with Ctrl-C.\n")
	if err := g.Run(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "Stopped.")
	return err
}

// guestbook is the flags and the environment as settings. changed says which
// flags were given.
func (s *demoSettings) guestbook(parts []string, changed func(string) bool) (demo.Settings, error) {
	if s.errors < 0 || s.errors > 1 {
		return demo.Settings{}, usageError{fmt.Errorf("--errors %v: want a share from 0 to 1", s.errors)}
	}
	if s.latency < 0 || s.latency > time.Minute {
		return demo.Settings{}, usageError{fmt.Errorf("--latency %v: want 0 to 1m", s.latency)}
	}
	if port := os.Getenv("PORT"); len(parts) == 1 && port != "" && !changed(demoFlags[parts[0]]) {
		n, err := strconv.Atoi(port)
		if err != nil {
			return demo.Settings{}, usageError{fmt.Errorf("PORT=%s: want a number", port)}
		}
		*s.ports[parts[0]] = n
	}
	for _, part := range parts {
		if port := *s.ports[part]; port < 0 || port > 65535 {
			return demo.Settings{}, usageError{fmt.Errorf("--%s %d: want a port, 0 for any that is free", demoFlags[part], port)}
		}
	}
	address := func(part string) string {
		if !slices.Contains(parts, part) {
			return ""
		}
		return joinPort(s.listen, *s.ports[part])
	}
	endpoint, err := otlpEndpoint(s.endpoint)
	if err != nil {
		return demo.Settings{}, err
	}
	database, err := s.databaseFile()
	return demo.Settings{
		Frontend:  address(demo.Frontend),
		Backend:   address(demo.Backend),
		Store:     address(demo.Store),
		BackendAt: firstOf(s.backendAt, os.Getenv("GUESTBOOK_API_ADDR"), joinPort("localhost", *s.ports[demo.Backend])),
		StoreAt:   firstOf(s.storeAt, os.Getenv("GUESTBOOK_DB_ADDR"), joinPort("localhost", *s.ports[demo.Store])),
		Database:  database,
		MongoDB:   s.mongodb,
		OTLP:      endpoint,
		Version:   Version,
		Errors:    s.errors,
		Latency:   s.latency,
	}, err
}

func (s *demoSettings) databaseFile() (string, error) {
	if s.database != "" {
		return s.database, nil
	}
	home, err := dataHome()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, "signalbox-demo", "guestbook.db"), nil
}

// otlpEndpoint is the base URL of an OTLP/HTTP endpoint: the flag, else the
// environment, else this machine.
func otlpEndpoint(flag string) (string, error) {
	endpoint := strings.TrimSuffix(firstOf(flag, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://localhost:4318"), "/")
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usageError{fmt.Errorf("OTLP endpoint %q: want a URL as http://localhost:4318", endpoint)}
	}
	return endpoint, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// takenPort says for a port of the guestbook that is taken which flag moves it.
func takenPort(err error, flagOf func(part string) string) error {
	var errs []error
	for _, e := range unjoin(err) {
		var address *demo.AddressError
		if errors.As(e, &address) && errors.Is(e, syscall.EADDRINUSE) {
			_, port, _ := net.SplitHostPort(address.Address)
			e = fmt.Errorf("port %s (guestbook %s, tcp) is taken: stop the program that holds it, or choose another port with --%s", port, address.Part, flagOf(address.Part))
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

func unjoin(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}
