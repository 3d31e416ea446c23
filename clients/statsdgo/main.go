// Command statsdgo counts the orders of a small shop with the two StatsD clients
// that Go services carry: DataDog's, and go-statsd-client, which many call the
// statsd client. Both put several lines into a packet.
//
// STATSD_ADDR is where to, host:port; CLIENT is datadog or cactus, and the
// prefix of the metrics' names.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	datadog "github.com/DataDog/datadog-go/v5/statsd"
	cactus "github.com/cactus/go-statsd-client/v5/statsd"
)

// Each page view is told about with this rate: the client leaves out half of
// the lines, by chance, and the others say that they stand for two.
const (
	views    = 40
	viewRate = 0.5
)

func sendDatadog(addr string) (err error) {
	client, err := datadog.New(addr, datadog.WithNamespace("datadog."), datadog.WithTags([]string{"region:eu"}),
		datadog.WithoutTelemetry(), datadog.WithoutClientSideAggregation())
	if err != nil {
		return fmt.Errorf("creating the client: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	channel := []string{"channel:web"}
	errs := []error{
		client.Incr("orders", channel, 1),
		client.Count("orders", 2, channel, 1),
		client.Gauge("queue.length", 7, nil, 1),
		client.Timing("checkout.time", 40*time.Millisecond, channel, 1),
		client.Histogram("order.value", 19.99, channel, 1),
		client.Distribution("order.size", 3, channel, 1),
		client.CountWithTimestamp("refunds", 4, channel, 1, time.Now()),
	}
	for range views {
		errs = append(errs, client.Incr("views", channel, viewRate))
	}
	return errors.Join(append(errs, client.Flush())...)
}

func sendCactus(addr string) (err error) {
	client, err := cactus.NewClientWithConfig(&cactus.ClientConfig{
		Address: addr, Prefix: "cactus", UseBuffered: true, FlushInterval: time.Minute, TagFormat: cactus.SuffixOctothorpe,
	})
	if err != nil {
		return fmt.Errorf("creating the client: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }() // which flushes
	channel := cactus.Tag{"channel", "web"}
	errs := []error{
		client.Inc("orders", 1, 1, channel),
		client.Inc("orders", 2, 1, channel),
		client.Gauge("queue.length", 5, 1),
		client.GaugeDelta("queue.length", 2, 1),
		client.TimingDuration("checkout.time", 40*time.Millisecond, 1, channel),
	}
	for range views {
		errs = append(errs, client.Inc("views", 1, viewRate, channel))
	}
	return errors.Join(errs...)
}

func main() {
	send := map[string]func(addr string) error{"datadog": sendDatadog, "cactus": sendCactus}[os.Getenv("CLIENT")]
	if send == nil {
		slog.Error("CLIENT is neither datadog nor cactus")
		os.Exit(2)
	}
	if err := send(os.Getenv("STATSD_ADDR")); err != nil {
		slog.Error("the orders were not told about", "error", err)
		os.Exit(1)
	}
}
