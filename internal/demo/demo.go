// Package demo is a small application to look at: a guestbook of three parts
// that send traces, metrics and logs as a production service would.
//
// A browser or a load generator asks the frontend, the frontend asks the
// backend, and the backend asks the store, which keeps messages in SQLite, or
// MongoDB, which keeps them too. Each part has its own port, resource and telemetry, so that one process shows what
// three would. Telemetry leaves over OTLP; Prometheus metrics wait at /metrics.
//
// A part touches no process-wide OpenTelemetry state, so several run beside a
// collector. The number of kept messages, request sizes and waiting times are
// bounded. When Run returns, no goroutine, port or file of it is left.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The parts of the guestbook.
const (
	Frontend = "frontend"
	Backend  = "backend"
	Store    = "store"
)

// Parts are all parts, in the order in which a request passes through them.
var Parts = []string{Frontend, Backend, Store}

// backendTimeout is how long the frontend waits for the backend.
const backendTimeout = 3 * time.Second

// Settings say what runs and where. Parts with an empty address do not run
// here.
type Settings struct {
	Frontend, Backend, Store string // addresses to listen on

	BackendAt string // where the frontend finds the backend, when it is not here
	StoreAt   string // where the backend finds the store, when it is not here

	Database string // file of the messages; "" keeps them in memory
	MongoDB  string // connection string; the backend asks it then, and not the store
	OTLP     string // URL of an OTLP/HTTP endpoint; "" sends nothing
	Version  string // of the service, in its resource

	Errors  float64       // share of the backend's requests that fail, 0 to 1
	Latency time.Duration // how long one in ten of the store's requests waits, about

	Logs slog.Handler // receives the logs too; nil for none
}

// Guestbook is the parts that run in this process.
type Guestbook struct {
	settings  Settings
	listeners map[string]net.Listener // by part
	addresses map[string]string       // of all parts

	mu      sync.Mutex // guards running
	running []*part
}

// AddressError says which part could not listen.
type AddressError struct {
	Part, Address string
	Err           error
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("listening on %s for the %s: %v", e.Address, e.Part, e.Err)
}

func (e *AddressError) Unwrap() error { return e.Err }

// Open opens the ports. The caller calls Run or Close.
func Open(s Settings) (*Guestbook, error) {
	g := &Guestbook{
		settings:  s,
		listeners: map[string]net.Listener{},
		addresses: map[string]string{Backend: s.BackendAt, Store: s.StoreAt},
	}
	var errs []error
	for _, part := range Parts {
		address := map[string]string{Frontend: s.Frontend, Backend: s.Backend, Store: s.Store}[part]
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			errs = append(errs, &AddressError{part, address, err})
			continue
		}
		g.listeners[part] = l
		g.addresses[part] = l.Addr().String()
	}
	if len(errs) > 0 {
		g.Close()
		return nil, errors.Join(errs...)
	}
	return g, nil
}

// Address is where a part listens, "" when it does not run here.
func (g *Guestbook) Address(part string) string {
	if l := g.listeners[part]; l != nil {
		return l.Addr().String()
	}
	return ""
}

// Close closes the ports of a guestbook that does not Run.
func (g *Guestbook) Close() {
	for _, l := range g.listeners {
		l.Close()
	}
}

// Run serves until ctx is done, then ends the requests that are under way,
// sends what telemetry is left and closes everything.
func (g *Guestbook) Run(ctx context.Context) error {
	defer g.Close()
	stop := func() error {
		var errs []error
		for _, p := range g.parts() { // frontend first: those behind it still answer
			errs = append(errs, p.stop(context.WithoutCancel(ctx), g.logger()))
		}
		return errors.Join(errs...)
	}
	failed := make(chan error, len(Parts))
	for _, name := range Parts {
		l := g.listeners[name]
		if l == nil {
			continue
		}
		p, err := g.newPart(ctx, name)
		if err != nil {
			return errors.Join(fmt.Errorf("starting the %s: %w", name, err), stop())
		}
		g.mu.Lock()
		g.running = append(g.running, p)
		g.mu.Unlock()
		go func() {
			if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving the %s: %w", name, err)
			}
		}()
	}
	select {
	case <-ctx.Done():
		return stop()
	case err := <-failed:
		return errors.Join(err, stop())
	}
}

// Quiet sends what telemetry is left and records no more; the pages and the
// Prometheus metrics are served on. It is for an end in which the receiver of the
// telemetry goes first.
func (g *Guestbook) Quiet(ctx context.Context) {
	for _, p := range g.parts() {
		p.quiet(ctx, g.logger())
	}
}

func (g *Guestbook) parts() []*part {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.running)
}

func (g *Guestbook) logger() *slog.Logger {
	if g.settings.Logs == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(g.settings.Logs)
}

// newPart wires one part.
func (g *Guestbook) newPart(ctx context.Context, name string) (*part, error) {
	tel, err := newTelemetry(ctx, name, len(g.listeners) == 1, g.settings)
	if err != nil {
		return nil, err
	}
	p := &part{telemetry: tel}
	switch name {
	case Frontend:
		err = p.serve(newFrontend(tel, g.addresses[Backend]))
	case Backend:
		err = g.newBackend(p)
	case Store:
		var db *sqlite
		if db, err = openSQLite(ctx, tel, g.settings.Database); err == nil {
			p.closers = append(p.closers, db.close)
			err = p.serve(newMessages(tel, db, disturbance{latency: g.settings.Latency}, http.StatusOK))
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.telemetry.shutdown(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// newBackend wires the backend to the store, or to MongoDB in its place.
func (g *Guestbook) newBackend(p *part) error {
	disturb := disturbance{errors: g.settings.Errors}
	if g.settings.MongoDB == "" {
		return p.serve(newMessages(p.telemetry, newRemote(p.telemetry, g.addresses[Store]), disturb, http.StatusCreated))
	}
	db, err := openMongoDB(p.telemetry, g.settings.MongoDB)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, db.close)
	disturb.latency = g.settings.Latency
	return p.serve(newMessages(p.telemetry, db, disturb, http.StatusCreated))
}
