package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"

	"github.com/signalbox-otel/signalbox/bench/cputime"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const podNamespace = "pods"

// loaded is what a load of pods met.
type loaded struct {
	waits     []time.Duration // sorted
	errors    []error
	bare      int           // pods that did not get what they asked for
	processor time.Duration // of the operator
}

func (l *loaded) percentile(p float64) float64 {
	i := int(math.Ceil(p*float64(len(l.waits)))) - 1
	return float64(l.waits[max(i, 0)].Microseconds()) / 1000
}

// each is the operator's processor time for one pod, in milliseconds.
func (l *loaded) each() float64 {
	return float64(l.processor.Microseconds()) / 1000 / float64(max(len(l.waits), 1))
}

// admission measures how long pods wait for the webhook.
func (b *bench) admission(ctx context.Context, op *program, s sizes) error {
	if err := b.create(ctx, podNamespace, 1, func(int) map[string]any { return collector("sidecar", "sidecar") }); err != nil {
		return err
	}
	if err := b.apply(ctx, instrumentation(), gateway()); err != nil {
		return err
	}
	set, err := kubernetes.NewForConfig(b.admin)
	if err != nil {
		return err
	}
	// Pods cannot be made before their namespace has its account.
	if err := poll(ctx, time.Minute, "a first pod", func(ctx context.Context) error { _, err := b.pod(ctx, set, kinds[0]); return err }); err != nil {
		return err
	}
	progress("%d pods a second for %s, without the webhook", s.rate, s.load)
	without, err := b.load(ctx, op, set, kinds[0], s)
	if err != nil {
		return err
	}
	if err := b.apply(ctx, b.webhooks(true, true)); err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("%d pods/s, without webhook: p50", s.rate), "", "%.1f ms", without.percentile(0.5))
	b.table.row("p99", "", "%.1f ms", without.percentile(0.99))
	for _, k := range kinds {
		if err := b.admitted(ctx, op, set, k, s); err != nil {
			return err
		}
	}
	return b.rotating(ctx, op, set, s)
}

// admitted measures pods of one kind.
func (b *bench) admitted(ctx context.Context, op *program, set *kubernetes.Clientset, k kind, s sizes) error {
	err := poll(ctx, 2*time.Minute, "a pod with "+k.name, func(ctx context.Context) error {
		injected, err := b.pod(ctx, set, k)
		if err == nil && !injected {
			err = errors.New("it has none")
		}
		return err
	})
	if err != nil {
		return err
	}
	progress("the same with %s", k.name)
	before, err := b.histogram(ctx)
	if err != nil {
		return err
	}
	with, err := b.load(ctx, op, set, k, s)
	if err != nil {
		return err
	}
	after, err := b.histogram(ctx)
	if err != nil {
		return err
	}
	b.table.row("with "+k.name+": p50", "", "%.1f ms", with.percentile(0.5))
	b.table.row("p99", k.goal, "%.1f ms", with.percentile(0.99))
	b.table.row("  in the webhook: p50", "", "≤ %s", within(before, after, 0.5))
	b.table.row("p99", "", "≤ %s", within(before, after, 0.99))
	b.table.row("  processor time of the operator for each", "", "%.2f ms", with.each())
	b.table.row("  pods without it", "0", "%d of %d", with.bare, len(with.waits))
	return nil
}

// rotating measures pods while certificates change.
func (b *bench) rotating(ctx context.Context, op *program, set *kubernetes.Clientset, s sizes) error {
	progress("the same while certificates change")
	rotated := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			rotated <- ctx.Err()
		case <-time.After(s.load / 4):
			rotated <- b.rotate(ctx)
		}
	}()
	during, err := b.load(ctx, op, set, kinds[0], s)
	if err := errors.Join(err, <-rotated); err != nil {
		return fmt.Errorf("changing certificates: %w", err)
	}
	b.table.row("while certificates change: pods without a sidecar", "0", "%d of %d", during.bare, len(during.waits))
	b.table.row("p99", "", "%.1f ms", during.percentile(0.99))
	return nil
}

// load makes pods at an even rate, whether or not those before are done.
func (b *bench) load(ctx context.Context, op *program, set *kubernetes.Clientset, k kind, s sizes) (*loaded, error) {
	l := &loaded{}
	before, err := cputime.Of(op.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	every := time.NewTicker(time.Second / time.Duration(s.rate))
	defer every.Stop()
	for range int(s.load.Seconds() * float64(s.rate)) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-every.C:
		}
		all.Go(func() {
			began := time.Now()
			injected, err := b.pod(ctx, set, k)
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			l.waits = append(l.waits, took)
			if err != nil {
				l.errors = append(l.errors, err)
			} else if !injected {
				l.bare++
			}
		})
	}
	all.Wait()
	slices.Sort(l.waits)
	after, err := cputime.Of(op.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	l.processor = after - before
	if len(l.errors) > 0 {
		return nil, fmt.Errorf("%d pods were refused, the first: %w", len(l.errors), l.errors[0])
	}
	return l, nil
}

// histogram is what the operator has counted of the webhook's answers.
func (b *bench) histogram(ctx context.Context) (*dto.Histogram, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", b.ports.metrics), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	for _, m := range families["controller_runtime_webhook_latency_seconds"].GetMetric() {
		for _, label := range m.GetLabel() {
			if label.GetName() == "webhook" && strings.HasSuffix(label.GetValue(), needs.PodPath) {
				return m.GetHistogram(), nil
			}
		}
	}
	return &dto.Histogram{}, nil
}

// within is the bound of the bucket that has a percentile of what was counted
// between two looks.
func within(before, after *dto.Histogram, p float64) string {
	seen := map[float64]uint64{}
	for _, bucket := range before.GetBucket() {
		seen[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
	}
	all := after.GetSampleCount() - before.GetSampleCount()
	for _, bucket := range after.GetBucket() {
		if float64(bucket.GetCumulativeCount()-seen[bucket.GetUpperBound()]) >= p*float64(all) {
			return fmt.Sprintf("%.0f ms", bucket.GetUpperBound()*1000)
		}
	}
	return "more"
}
