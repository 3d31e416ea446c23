// Command operator measures `signalbox operator` on a light cluster: a real API
// server with etcd and controllers, and nodes whose pods say that they run but do
// not. The operator is the built binary outside the cluster, with the account and
// the rights of an installation.
//
// It measures what the process costs that has nothing to do, and whether objects
// that do not concern it change that; how long many collectors take until all
// have their objects and their status; what a restart writes when nothing has
// changed; and how long pods wait for its webhook, also while certificates change.
//
// What the operator asks of the API server goes through a proxy in this command,
// which counts it. Pods are created as a trial (dry run): admitted in full, but
// not stored.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

// sizes are how much of everything there is.
type sizes struct {
	collectors, unrelated, pods, rate int
	load, idle                        time.Duration
	// podsOnly leaves out all but the load of pods.
	podsOnly bool
}

func run() error {
	binary := flag.String("signalbox", "bin/signalbox", "the `binary` of Signalbox")
	var s sizes
	flag.IntVar(&s.collectors, "collectors", 200, "collectors; 0 leaves them out")
	flag.IntVar(&s.unrelated, "unrelated", 2500, "ConfigMaps of 20 KB that are none of the operator's business")
	flag.IntVar(&s.pods, "pods", 3000, "pods that ask for nothing, beside an Instrumentation")
	flag.IntVar(&s.rate, "rate", 50, "pods in a second")
	flag.DurationVar(&s.load, "load", time.Minute, "time of each load of pods; 0 leaves them out")
	flag.DurationVar(&s.idle, "idle", 30*time.Second, "time until a process that has nothing to do is looked at")
	flag.BoolVar(&s.podsOnly, "pods-only", false, "measure admission of pods, and nothing else")
	keep := flag.String("keep", "", "`folder` for what cluster and operator log, and for profiles of the operator; none when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := *keep
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	b, err := start(ctx, path, dir, *keep != "")
	if err != nil {
		return err
	}
	err = b.measure(ctx, s)
	if stopped := b.stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return err
	}
	return b.table.print(os.Stdout)
}

// progress tells what is measured now.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// measure takes all figures, in an order in which one does not spoil the next.
func (b *bench) measure(ctx context.Context, s sizes) error {
	op, err := b.startOperator(ctx)
	if err != nil {
		return err
	}
	if s.podsOnly {
		if err := b.admission(ctx, op, s); err != nil {
			return err
		}
		return op.stop()
	}
	b.table.row("start until ready", "", "%.1f s", op.startTime.Seconds())
	if err := b.resident(ctx, op, s, "idle RSS, empty cluster", "≤ 30 MB"); err != nil {
		return err
	}
	progress("making %d ConfigMaps", s.unrelated)
	if err := b.unrelated(ctx, s.unrelated); err != nil {
		return err
	}
	if err := b.resident(ctx, op, s, fmt.Sprintf("  with %d ConfigMaps of 20 KB", s.unrelated), "the same"); err != nil {
		return err
	}
	progress("making %d pods", s.pods)
	if err := b.quiet(ctx, s.pods); err != nil {
		return err
	}
	if err := b.resident(ctx, op, s, fmt.Sprintf("  and %d pods, counted", s.pods), "the same"); err != nil {
		return err
	}
	if err := op.stop(); err != nil {
		return err
	}
	if op, err = b.startOperator(ctx); err != nil {
		return err
	}
	if err := b.resident(ctx, op, s, "  started beside them", "the same"); err != nil {
		return err
	}
	if s.collectors > 0 {
		if op, err = b.many(ctx, op, s); err != nil {
			return err
		}
	}
	if s.load == 0 {
		return op.stop()
	}
	if err := b.admission(ctx, op, s); err != nil {
		return err
	}
	if err := b.resident(ctx, op, s, "RSS after the load", ""); err != nil {
		return err
	}
	return op.stop()
}

// many measures collectors, and what the operator does when it starts beside
// them: it returns the one that did.
func (b *bench) many(ctx context.Context, op *program, s sizes) (*program, error) {
	progress("making %d collectors", s.collectors)
	if err := b.collectors(ctx, op, s.collectors); err != nil {
		return op, err
	}
	// A restart changes nothing only when nothing changes by itself any more.
	if _, err := b.cluster.Kubectl(ctx, "", "wait", "--for=condition=Ready", "--timeout=5m", "-n", collectorNamespace, "--all", "opentelemetrycollectors.opentelemetry.io"); err != nil {
		return op, err
	}
	if err := b.resident(ctx, op, s, fmt.Sprintf("RSS with %d collectors", s.collectors), ""); err != nil {
		return op, err
	}
	if err := op.stop(); err != nil {
		return op, err
	}
	progress("restarting the operator")
	b.proxy.reset()
	op, err := b.startOperator(ctx)
	if err != nil {
		return op, err
	}
	if err := b.resident(ctx, op, s, "  after a restart", ""); err != nil {
		return op, err
	}
	b.table.row("writes on restart, nothing changed", "0", "%d", b.proxy.reportWrites())
	return op, nil
}
