// Package ledger keeps account of what the pipelines of a collector lose: each
// item that a component refused, dropped on purpose or could not pass on, by
// component, signal and reason.
//
// Watch goes around the factories, so the components stand between two of its
// consumers: one sees what is given to them and what they answer, the other
// what they pass on. Where a component answers before its work is done (queues,
// batches), the error comes from what it logs or from the call that passes on.
//
// Invariants: an item is counted where it was lost, once, not by the components
// before it that hear of it; only receivers count again what they had to refuse,
// since that is what senders were told. Reasons are a fixed list, so the number
// of accounts is bounded by the configuration.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Outcome is what became of items.
type Outcome string

const (
	// Refused items were given back with an error: whoever sent them knows.
	Refused Outcome = "refused"
	// Dropped items were left out on purpose, as the configuration wants it.
	Dropped Outcome = "dropped"
	// Failed items are lost, and nobody before the component was told.
	Failed Outcome = "failed"
	// Retried counts attempts, not items: something did not go out and will be
	// tried again.
	Retried Outcome = "retried"
)

// Account is what one component lost of one signal for one reason.
type Account struct {
	Kind      string // "receiver", "processor", "exporter", "connector"
	Component string // "otlp/jaeger"
	Signal    string // "traces"
	Outcome   Outcome
	Reason    string

	Items int64
	Last  time.Time
	Error string // text of the latest error; "" when there was none
}

// Ledger holds the accounts of one collector, through all its configurations. It
// is safe for many goroutines.
type Ledger struct {
	mu       sync.Mutex
	accounts map[Account]*Account // by its first five fields
	lags     map[Account]*lag     // by kind, component and signal
	now      func() time.Time
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{accounts: map[Account]*Account{}, lags: map[Account]*lag{}, now: time.Now}
}

// Accounts lists what was lost, the latest loss first.
func (l *Ledger) Accounts() []Account {
	l.mu.Lock()
	lags := slices.Collect(maps.Values(l.lags))
	l.mu.Unlock()
	for _, g := range lags {
		g.settle()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Account, 0, len(l.accounts))
	for _, a := range l.accounts {
		list = append(list, *a)
	}
	slices.SortFunc(list, func(a, b Account) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// maxErrorText bounds the text of an error that is kept, in bytes.
const maxErrorText = 1000

// add books items.
func (l *Ledger) add(key Account, items int, err error) {
	if items <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[key]
	if a == nil {
		kept := key
		a = &kept
		l.accounts[key] = a
	}
	a.Items += int64(items)
	a.Last = l.now()
	if err != nil {
		a.Error = err.Error()
		if len(a.Error) > maxErrorText {
			a.Error = strings.ToValidUTF8(a.Error[:maxErrorText], "") + "…"
		}
	}
}

// metrics are the counters of the ledger, by outcome.
var metrics = []struct {
	outcome                 Outcome
	name, unit, description string
}{
	{Refused, "signalbox_pipeline_refused_items_total", "{items}", "Spans, data points and log records that a component gave back with an error."},
	{Dropped, "signalbox_pipeline_dropped_items_total", "{items}", "Spans, data points and log records that a component left out on purpose."},
	{Failed, "signalbox_pipeline_failed_items_total", "{items}", "Spans, data points and log records that were lost."},
	{Retried, "signalbox_pipeline_retries_total", "{attempts}", "Attempts to send that failed and are repeated."},
}

// Register shows the accounts as counters of meter.
func (l *Ledger) Register(meter metric.Meter) error {
	var errs []error
	for _, m := range metrics {
		_, err := meter.Int64ObservableCounter(m.name, metric.WithUnit(m.unit), metric.WithDescription(m.description),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				for _, a := range l.Accounts() {
					if a.Outcome == m.outcome {
						o.Observe(a.Items, metric.WithAttributes(attribute.String("kind", a.Kind), attribute.String("component", a.Component),
							attribute.String("signal", a.Signal), attribute.String("reason", a.Reason)))
					}
				}
				return nil
			}))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
