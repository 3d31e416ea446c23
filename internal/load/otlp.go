package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"sync"
	"time"
)

// The signals that SendOTLP sends.
const (
	Traces  = "traces"
	Metrics = "metrics"
	Logs    = "logs"
)

// The protocols that SendOTLP speaks.
const (
	GRPC = "grpc"
	HTTP = "http"
)

// OTLPSettings say what is sent where, and how fast.
type OTLPSettings struct {
	Signal   string // Traces, Metrics or Logs
	Protocol string // GRPC or HTTP
	Endpoint *url.URL
	Rate     float64       // items (spans, data points, records) per second; 0 is as fast as they are answered
	Duration time.Duration // 0 until the context is done
	Workers  int           // requests under way at once
	Batch    int           // items per request
	Timeout  time.Duration // of one request
	Service  string        // service.name of what is sent
}

// Validate reports everything that is wrong, in the words of the flags.
func (s OTLPSettings) Validate() error {
	var errs []error
	if u := s.Endpoint; u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("--endpoint %s: want a URL, as http://localhost:4318; https:// for TLS", u))
	}
	if s.Protocol != GRPC && s.Protocol != HTTP {
		errs = append(errs, fmt.Errorf("--protocol %s: want grpc or http", s.Protocol))
	}
	if !(s.Rate >= 0 && s.Rate <= 1e9) {
		errs = append(errs, fmt.Errorf("--rate %v: want 0, for as fast as possible, or more", s.Rate))
	}
	if s.Duration < 0 {
		errs = append(errs, fmt.Errorf("--duration %v: want 0 or more", s.Duration))
	}
	if s.Workers < 1 || s.Workers > 1000 {
		errs = append(errs, fmt.Errorf("--workers %d: want 1 to 1000", s.Workers))
	}
	if s.Batch < 1 || s.Batch > 10_000 {
		errs = append(errs, fmt.Errorf("--batch %d: want 1 to 10000", s.Batch))
	}
	if s.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("--timeout %v: want more than 0", s.Timeout))
	}
	return errors.Join(errs...)
}

// OTLPResult counts items by what became of them.
type OTLPResult struct {
	Requests     uint64
	Sent         uint64
	Acknowledged uint64
	Refused      uint64            // the server said no, to all of a request or a part
	Unanswered   uint64            // the connection failed, or the time was up
	Kinds        map[string]uint64 // requests that were not acknowledged whole, by what went wrong
	Latency      Durations
	Elapsed      time.Duration
}

// Rate is the acknowledged items per second.
func (r OTLPResult) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Acknowledged) / r.Elapsed.Seconds()
}

// sender sends one batch and says how many of its items were refused. An error
// that is errUnanswered means that nobody said anything.
type sender interface {
	send(ctx context.Context, b batch) (refused int, err error)
	close() error
}

var errUnanswered = errors.New("no answer")

// OTLP is a run of senders.
type OTLP struct {
	settings OTLPSettings
	sender   sender

	mu    sync.Mutex
	start time.Time
	total OTLPResult
}

// NewOTLP checks the settings. Connections are made when Run needs them.
func NewOTLP(s OTLPSettings) (*OTLP, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	encode, err := encoderOf(s.Signal)
	if err != nil {
		return nil, err
	}
	o := &OTLP{settings: s, total: OTLPResult{Kinds: map[string]uint64{}, Latency: Durations{}}}
	if s.Protocol == HTTP {
		o.sender = newHTTPSender(s, encode)
		return o, nil
	}
	o.sender, err = newGRPCSender(s, encode)
	return o, err
}

// Run sends until the duration is over or ctx is done, and waits for the
// answers that are due. Nothing is sent twice: a refusal is a result.
func (o *OTLP) Run(ctx context.Context) error {
	if o.settings.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.settings.Duration)
		defer cancel()
	}
	o.mu.Lock()
	o.start = time.Now()
	o.mu.Unlock()
	var wg sync.WaitGroup
	for n := range o.settings.Workers {
		wg.Go(func() { o.work(ctx, n) })
	}
	wg.Wait()
	o.mu.Lock()
	o.total.Elapsed = time.Since(o.start)
	o.mu.Unlock()
	return o.sender.close()
}

// work sends batches at its share of the rate. One that falls behind by more
// than a second does not catch up: the rate is a limit, not a debt.
func (o *OTLP) work(ctx context.Context, n int) {
	size, interval := o.settings.pace()
	b := newBatch(o.settings.Service, n, size)
	due := time.Now().Add(interval * time.Duration(n) / time.Duration(o.settings.Workers))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		o.one(ctx, b)
		b.serial++
		due = due.Add(interval)
		if now := time.Now(); now.Sub(due) > time.Second {
			due = now
		}
		timer.Reset(time.Until(due))
	}
}

// pace is how many items a worker sends how often: batches are smaller when a
// whole one would be more than the rate allows in a second.
func (s OTLPSettings) pace() (size int, interval time.Duration) {
	if s.Rate == 0 {
		return s.Batch, 0
	}
	share := s.Rate / float64(s.Workers)
	size = max(1, min(s.Batch, int(share)))
	return size, time.Duration(float64(size) / share * float64(time.Second))
}

// one sends one batch and counts what became of it.
func (o *OTLP) one(ctx context.Context, b batch) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.settings.Timeout)
	defer cancel()
	start := time.Now()
	refused, err := o.sender.send(ctx, b)
	took := time.Since(start)

	o.mu.Lock()
	defer o.mu.Unlock()
	t := &o.total
	t.Requests++
	t.Sent += uint64(b.size)
	t.Latency.add(took)
	switch {
	case errors.Is(err, errUnanswered):
		t.Unanswered += uint64(b.size)
	case err != nil:
		t.Refused += uint64(b.size)
	default:
		refused = min(max(refused, 0), b.size) // what a server says is input
		t.Refused += uint64(refused)
		t.Acknowledged += uint64(b.size - refused)
		if refused > 0 {
			err = errors.New("partial success")
		}
	}
	if err != nil {
		kinds := TaskStats{Kinds: t.Kinds}
		kinds.fail(err.Error(), 1)
	}
}

// Result is what became of what was sent until now.
func (o *OTLP) Result() OTLPResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.total
	r.Latency, r.Kinds = maps.Clone(r.Latency), maps.Clone(r.Kinds)
	if r.Elapsed == 0 && !o.start.IsZero() {
		r.Elapsed = time.Since(o.start)
	}
	return r
}
