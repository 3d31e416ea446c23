// Command page measures what somebody who looks at a full store waits for. It
// starts Signalbox, sends it a million spans by OTLP and a trace of ten thousand,
// and then measures the answers that the page asks for, and the page itself in
// headless Chromium: when the first dot is there, when all of it is, and whether
// scrolling shows blank rows. Several binaries are measured one after the other
// on the same data. It prints figures and judges nothing: only what does not
// work ends it with an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
)

// settings say what is measured.
type settings struct {
	binaries binaries
	spans    int
	long     int
	rounds   int
	browser  string // the script that drives the browser; "" leaves it out
	dir      string // "" is a temporary one
}

// binary is one Signalbox to measure.
type binary struct{ name, path string }

// binaries is a flag of the form name=path that may be repeated.
type binaries []binary

func (b *binaries) String() string { return fmt.Sprint(*b) }

// Set adds one.
func (b *binaries) Set(s string) error {
	name, path, ok := strings.Cut(s, "=")
	if !ok {
		name, path = "signalbox", s
	}
	*b = append(*b, binary{name, path})
	return nil
}

func main() {
	s := settings{}
	flag.Var(&s.binaries, "signalbox", "binary to measure, as path or name=path; repeat to compare several (default bin/signalbox)")
	flag.IntVar(&s.spans, "spans", 1_000_000, "spans in the range")
	flag.IntVar(&s.long, "long", 10_000, "spans of the long trace")
	flag.IntVar(&s.rounds, "rounds", 5, "times that each question is asked")
	flag.StringVar(&s.browser, "browser", "bench/page/browser.mjs", "script that drives the browser; empty leaves the browser out")
	flag.StringVar(&s.dir, "dir", "", "data directory to keep; one with data is not filled again (default: a temporary one)")
	flag.Parse()
	if len(s.binaries) == 0 {
		s.binaries = binaries{{"signalbox", "bin/signalbox"}}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench/page:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "signalbox-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	}
	v, err := fill(ctx, s)
	if err != nil {
		return err
	}
	var columns [][]figure
	for _, b := range s.binaries {
		figures, err := measure(ctx, s, b, v)
		if err != nil {
			return fmt.Errorf("measuring %s: %w", b.name, err)
		}
		columns = append(columns, figures)
	}
	printTable(os.Stdout, s.binaries, columns)
	return nil
}

// measure starts one binary on the data and asks everything.
func measure(ctx context.Context, s settings, b binary, v view) ([]figure, error) {
	box, err := start(ctx, b.path, s.dir)
	if err != nil {
		return nil, err
	}
	defer box.stop()
	figures, err := askAll(ctx, box, v, s.rounds)
	if err != nil || s.browser == "" {
		return figures, err
	}
	seen, err := watch(ctx, s.browser, box, v)
	return append(figures, seen...), err
}

// fill sends the spans, unless the directory has them already, and says where to
// look at them.
func fill(ctx context.Context, s settings) (view, error) {
	mark := s.dir + "/bench-page"
	if v, err := readView(mark); err == nil {
		return v, nil
	}
	box, err := start(ctx, s.binaries[0].path, s.dir)
	if err != nil {
		return view{}, err
	}
	defer box.stop()
	// The workload has a million spans an hour; they end about now.
	length := time.Duration(float64(time.Hour) * float64(s.spans) / 1e6)
	begin := time.Now().Add(-length - 2*time.Minute)
	w := workload.New(uint64(begin.UnixNano()))
	begun, before := time.Now(), box.cpu()
	sent := 0
	for sent < s.spans {
		batch := w.Batch()
		if err := box.send(ctx, batch.Spans); err != nil {
			return view{}, err
		}
		sent += batch.Len()
	}
	long := w.Long(s.long)
	for from := 0; from < len(long); from += 1000 {
		if err := box.send(ctx, long[from:min(from+1000, len(long))]); err != nil {
			return view{}, err
		}
	}
	sent += len(long)
	took, cpu := time.Since(begun), box.cpu()-before
	fmt.Printf("%d spans sent in %.1f s with %.1f CPU s of the server\n", sent, took.Seconds(), cpu.Seconds())
	v := view{Start: begin.Add(-time.Minute).UnixMilli(), End: time.Now().Add(time.Minute).UnixMilli(), Spans: sent,
		Long: long[0].TraceID.String(), Trace: w.Sample[len(w.Sample)/2].String()}
	return v, v.write(mark)
}
