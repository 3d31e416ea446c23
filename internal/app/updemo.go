package app

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"github.com/signalbox-otel/signalbox/internal/demo"
	"github.com/signalbox-otel/signalbox/internal/load"
)

// What `signalbox up --demo` runs: enough visitors to fill every page, few
// enough to leave the machine free, and a guestbook that is not always well.
const (
	demoUsers     = 10
	demoSpawnRate = 2
	demoErrors    = 0.02
	demoLatency   = 400 * time.Millisecond
)

// upDemo is the guestbook and its visitors inside `signalbox up`.
type upDemo struct {
	guestbook *demo.Guestbook
	visitors  *load.Swarm
	session   *load.Session // of the visitors, which the page shows
}

// openDemo opens the guestbook's ports, so that the collector's configuration
// can name them. Only the frontend's is for people, so only it is chosen; the
// others are any that are free.
func (s *upSettings) openDemo() (*upDemo, error) {
	g, err := demo.Open(demo.Settings{
		Frontend: joinPort(s.listen, s.demoPort),
		Backend:  "localhost:0",
		Store:    "localhost:0",
		Database: filepath.Join(s.dataDir, "demo", "guestbook.db"),
		OTLP:     "http://" + dialable(joinPort(s.listen, *s.ports["otlp-http-port"])),
		Version:  Version,
		Errors:   demoErrors,
		Latency:  demoLatency,
	})
	if err != nil {
		return nil, takenPort(err, func(string) string { return "demo-port" })
	}
	set := load.Settings{
		Host:      &url.URL{Scheme: "http", Host: dialable(g.Address(demo.Frontend))},
		Scenario:  load.Guestbook(),
		Users:     demoUsers,
		SpawnRate: demoSpawnRate,
		Timeout:   10 * time.Second,
	}
	visitors, err := load.New(set)
	if err != nil {
		g.Close()
		return nil, err
	}
	return &upDemo{g, visitors, load.NewSession(set, visitors)}, nil
}

// overlay has the collector scrape the guestbook. Its instances are named by
// part, for their ports differ from run to run.
func (d *upDemo) overlay(m map[string]any) {
	var targets []any
	for _, part := range demo.Parts {
		targets = append(targets, map[string]any{
			"targets": []string{dialable(d.guestbook.Address(part))},
			"labels":  map[string]string{"instance": part, "tier": demo.Tier(part), "app": "guestbook"},
		})
	}
	setPath(m, "receivers::prometheus/demo::config::scrape_configs", []any{map[string]any{
		"job_name": "guestbook", "scrape_interval": "5s", "static_configs": targets}})
	setPath(m, "service::pipelines::metrics/demo::receivers", []string{"prometheus/demo"})
	setPath(m, "service::pipelines::metrics/demo::exporters", []string{"store"})
}

// runBeside runs main with the demo beside it once start is closed. When ctx is
// done its visitors leave first, so that nothing they do fails; then the last
// telemetry is sent, which main takes; and main, which scrapes the guestbook, ends
// before that closes.
func (d *upDemo) runBeside(ctx context.Context, start <-chan struct{}, main func(context.Context) error) error {
	lasting := context.WithoutCancel(ctx)
	mainCtx, stopMain := context.WithCancel(lasting)
	defer stopMain()
	serving, stopServing := context.WithCancel(lasting)
	defer stopServing()
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	left, served := make(chan struct{}), make(chan error, 1)
	go func() {
		defer stopMain()
		defer close(left)
		select {
		case <-start:
		case <-visiting.Done():
			d.guestbook.Close()
			served <- nil
			return
		}
		go func() {
			defer leave() // when it failed
			served <- d.guestbook.Run(serving)
		}()
		d.visit(visiting)
		d.guestbook.Quiet(lasting)
	}()
	err := main(mainCtx)
	leave()
	<-left
	stopServing()
	return errors.Join(err, <-served)
}

// visit has visitors come until ctx is done.
func (d *upDemo) visit(ctx context.Context) {
	left := make(chan struct{})
	defer close(left)
	go d.session.Record(left)
	d.visitors.Run(ctx)
}
