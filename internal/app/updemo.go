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

// run serves the guestbook until ctx is done. Its visitors leave first, so that
// nothing they do fails.
func (d *upDemo) run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- d.guestbook.Run(serving) }()
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	left := make(chan struct{})
	go func() {
		d.visitors.Run(visiting)
		close(left)
	}()
	go d.session.Record(left)
	select {
	case err := <-done: // it failed
		leave()
		<-left
		return err
	case <-left:
		stop()
		return <-done
	}
}

// runBeside runs main with the demo beside it once start is closed. The demo
// ends before main does, so that its last telemetry is taken.
func (d *upDemo) runBeside(ctx context.Context, start <-chan struct{}, main func(context.Context) error) error {
	mainCtx, stopMain := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMain()
	demoCtx, stopDemo := context.WithCancel(ctx)
	demoDone := make(chan error, 1)
	go func() {
		defer stopMain()
		select {
		case <-start:
			demoDone <- d.run(demoCtx)
		case <-demoCtx.Done():
			d.guestbook.Close()
			demoDone <- nil
		}
	}()
	err := main(mainCtx)
	stopDemo()
	return errors.Join(err, <-demoDone)
}
