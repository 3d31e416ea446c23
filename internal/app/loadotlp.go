package app

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/load"
)

// signalItems is what one item of a signal is called.
var signalItems = map[string]string{load.Traces: "spans", load.Metrics: "data points", load.Logs: "log records"}

func newLoadOTLP() *cobra.Command {
	s := load.OTLPSettings{}
	var endpoint, maxFailures string
	signals := []string{load.Traces, load.Metrics, load.Logs}
	cmd := &cobra.Command{
		Use:   "otlp traces|metrics|logs",
		Short: "Send traces, metrics or logs over OTLP at a rate",
		Long: `Otlp sends made-up spans, data points or log records to an OTLP endpoint, and
counts what becomes of them: acknowledged, refused by the server, or unanswered.
Nothing is sent twice, so the counts are those of the server.

With --rate 0 each worker sends as soon as its last request is answered. A
server that is too slow for a rate gets less: the rate is a limit.

The exit code is 1 when more was not acknowledged than --max-failures allows.`,
		Example: `  signalbox load otlp traces --rate 1000 --duration 30s
  signalbox load otlp logs --protocol grpc --rate 0 --workers 8
  signalbox load otlp metrics --endpoint http://collector:4318 --batch 500`,
		ValidArgs: signals,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(signals, args[0]) {
				return usageError{fmt.Errorf("got %q; want one of %s", strings.Join(args, " "), strings.Join(signals, ", "))}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&endpoint, "endpoint", "", "where to send (default: http://localhost:4318, or :4317 for grpc)")
	f.StringVar(&s.Protocol, "protocol", load.HTTP, "http or grpc")
	f.Float64Var(&s.Rate, "rate", 100, "spans, data points or log records per second; 0 for as many as are answered")
	f.DurationVar(&s.Duration, "duration", 10*time.Second, "stop after this long; 0 for until Ctrl-C")
	f.IntVar(&s.Workers, "workers", 2, "how many requests are under way at once")
	f.IntVar(&s.Batch, "batch", 100, "spans, data points or log records per request")
	f.DurationVar(&s.Timeout, "timeout", 10*time.Second, "a request that takes longer is unanswered")
	f.StringVar(&s.Service, "service", "load", "service.name of what is sent")
	f.StringVar(&maxFailures, "max-failures", "0", "how many items may be not acknowledged, a number or a share as 1%")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.Signal = args[0]
		fallback := "http://localhost:4318"
		if s.Protocol == load.GRPC {
			fallback = "http://localhost:4317"
		}
		var err error
		if s.Endpoint, err = url.Parse(firstOf(endpoint, fallback)); err != nil {
			return usageError{fmt.Errorf("--endpoint: %w", err)}
		}
		allowed, err := parseAllowance(maxFailures)
		if err != nil {
			return usageError{err}
		}
		return runLoadOTLP(cmd.Context(), s, allowed, cmd.OutOrStdout())
	}
	return cmd
}

// runLoadOTLP sends, with a line every five seconds, and prints the counts.
func runLoadOTLP(ctx context.Context, s load.OTLPSettings, allowed allowance, stdout io.Writer) error {
	o, err := load.NewOTLP(s)
	if err != nil {
		return usageError{err}
	}
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	items := signalItems[s.Signal]
	fmt.Fprintf(stdout, "Sending %s to %s over %s.\n", items, s.Endpoint, s.Protocol)
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			r := o.Result()
			printOTLPResult(stdout, r, items)
			if err != nil {
				return err
			}
			if lost := r.Sent - r.Acknowledged; lost > allowed.of(r.Sent) {
				return fmt.Errorf("%d of %d %s were not acknowledged; --max-failures allows %s", lost, r.Sent, items, allowed.text)
			}
			return nil
		case <-tick.C:
			r := o.Result()
			fmt.Fprintf(stdout, "%s  %d sent  %d acknowledged  %d refused  %d unanswered  %.0f/s\n",
				r.Elapsed.Round(time.Second), r.Sent, r.Acknowledged, r.Refused, r.Unanswered, r.Rate())
		}
	}
}

func printOTLPResult(w io.Writer, r load.OTLPResult, items string) {
	fmt.Fprintf(w, "\nSent %d %s in %d requests over %s.\n\n", r.Sent, items, r.Requests, r.Elapsed.Round(100*time.Millisecond))
	fmt.Fprintf(w, "  acknowledged  %9d  %.0f per second\n  refused       %9d\n  unanswered    %9d\n", r.Acknowledged, r.Rate(), r.Refused, r.Unanswered)
	fmt.Fprintf(w, "  answered in   p50 %s, p95 %s, p99 %s\n", formatDuration(r.Latency.Quantile(.5)), formatDuration(r.Latency.Quantile(.95)), formatDuration(r.Latency.Quantile(.99)))
	if len(r.Kinds) > 0 {
		fmt.Fprintf(w, "\nRequests that were not acknowledged:\n")
		for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
			fmt.Fprintf(w, "  %9d  %s\n", r.Kinds[kind], printable(kind))
		}
	}
}
