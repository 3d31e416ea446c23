// Command forward compares Signalbox as a collector with the plain collector of
// the same release (bench/otelcol): what a span costs that comes in over OTLP
// gRPC, is batched, and goes out over OTLP gRPC, and what a process costs that
// does nothing.
//
// Both run the same configuration, in turns, on this machine. The command is
// the client and the peer of both, so that only the collector's own CPU time is
// counted: user and system, from the kernel. A run ends when the peer has
// received every span.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "forward:", err)
		os.Exit(1)
	}
}

// contender is one collector binary.
type contender struct {
	name    string
	command []string // and its arguments before --config
}

// figures are what the runs of one contender gave, one entry per run.
type figures struct {
	startSeconds []float64 // until its receiver listens
	startCPU     []float64 // seconds, until then
	idleBytes    []float64 // resident, after it has started
	heapBytes    []float64 // of these, not backed by a file
	perSpan      map[string][]float64
	peakBytes    map[string][]float64
}

func run() error {
	ours := flag.String("signalbox", "bin/signalbox", "the `binary` of Signalbox")
	plain := flag.String("otelcol", "bin/otelcol", "the `binary` of the plain collector")
	spans := flag.Int("spans", 1_000_000, "spans per run")
	rounds := flag.Int("rounds", 3, "runs of each, in turns")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	contenders := []contender{
		{"otelcol", []string{*plain}},
		{"signalbox", []string{*ours, "collector"}},
	}
	results := map[string]*figures{}
	for _, c := range contenders {
		results[c.name] = &figures{perSpan: map[string][]float64{}, peakBytes: map[string][]float64{}}
	}
	bodies, err := newBodies()
	if err != nil {
		return err
	}
	for round := range *rounds {
		for _, compression := range compressions {
			for _, c := range contenders {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s, compression %s\n", round+1, *rounds, c.name, compression)
				if err := measure(ctx, c, compression, *spans, bodies, results[c.name]); err != nil {
					return fmt.Errorf("measuring %s: %w", c.name, err)
				}
			}
		}
	}
	return print(results)
}

// compressions are those of the exporter. The client sends without.
var compressions = []string{"none", "gzip"}

// print writes the medians, and Signalbox in relation to the plain collector.
func print(results map[string]*figures) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\totelcol\tsignalbox\tratio\t")
	plain, ours := results["otelcol"], results["signalbox"]
	row := func(what, format string, of func(*figures) []float64) {
		p, o := median(of(plain)), median(of(ours))
		fmt.Fprintf(w, "%s\t"+format+"\t"+format+"\t%.2f\t\n", what, p, o, o/p)
	}
	for _, c := range compressions {
		row("spans per CPU second, "+c, "%.0f", func(f *figures) []float64 { return f.perSpan[c] })
	}
	for _, c := range compressions {
		row("peak RSS, "+c+" (MB)", "%.0f", func(f *figures) []float64 { return f.peakBytes[c] })
	}
	row("idle RSS (MB)", "%.1f", func(f *figures) []float64 { return f.idleBytes })
	row("  of it memory of its own (MB)", "%.1f", func(f *figures) []float64 { return f.heapBytes })
	row("start until it listens (ms)", "%.0f", func(f *figures) []float64 { return f.startSeconds })
	row("  CPU (ms)", "%.0f", func(f *figures) []float64 { return f.startCPU })
	return w.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
