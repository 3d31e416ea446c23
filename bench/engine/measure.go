package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/signalbox-otel/signalbox/bench/otlp"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// bench is one run of the command.
type bench struct {
	settings
	dir     string // of all data
	begun   time.Time
	figures figures
}

// progress tells what is being done, and since when it runs.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6s  %s\n", time.Since(b.begun).Round(time.Second), fmt.Sprintf(format, args...))
}

// load is what contenders are sent.
type load struct {
	kind   store.Kind
	signal otlp.Signal
	*stream
	begin time.Time // of the first record
	count func(contender) int
}

// spans measures all contenders with spans, in turns.
func (b *bench) spans(ctx context.Context, contenders []contender) error {
	most := 0
	for _, c := range contenders {
		most = max(most, c.spans)
	}
	if most == 0 {
		return nil
	}
	begin := time.Now().Add(-time.Duration(float64(time.Hour)*float64(max(most, b.startSpans))/1e6) - 2*time.Minute)
	b.progress("making %d spans", most)
	s, err := encodeSpans(ctx, filepath.Join(b.dir, "spans.otlp"), most, begin)
	if err != nil {
		return err
	}
	defer s.close()
	l := load{store.Spans, otlp.Traces, s, begin, func(c contender) int { return c.spans }}
	for round := range b.repeat {
		for _, c := range contenders {
			for _, protocol := range b.protocols {
				if err := b.measure(ctx, c, l, protocol, round == b.repeat-1); err != nil {
					return fmt.Errorf("measuring %s with spans by %s: %w", c.name, protocol, err)
				}
			}
		}
	}
	return nil
}

// logRecords measures those contenders that are asked to with log records.
func (b *bench) logRecords(ctx context.Context, contenders []contender) error {
	most := 0
	for _, c := range contenders {
		most = max(most, c.logs)
	}
	if most == 0 {
		return nil
	}
	begin := time.Now().Add(-time.Duration(float64(time.Hour)*float64(most)/2.5e6) - 2*time.Minute)
	b.progress("making %d log records", most)
	s, err := encodeLogs(ctx, filepath.Join(b.dir, "logs.otlp"), most, begin)
	if err != nil {
		return err
	}
	defer s.close()
	l := load{store.Logs, otlp.Logs, s, begin, func(c contender) int { return c.logs }}
	for round := range b.repeat {
		for _, c := range contenders {
			if err := b.measure(ctx, c, l, b.protocols[0], round == b.repeat-1); err != nil {
				return fmt.Errorf("measuring %s with log records: %w", c.name, err)
			}
		}
	}
	return nil
}

// measure fills a new store of a contender. Over the first protocol it is then
// started again and asked, too.
func (b *bench) measure(ctx context.Context, c contender, l load, protocol string, last bool) (err error) {
	if l.count(c) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp(b.dir, "store-")
	if err != nil {
		return err
	}
	if !b.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if err := b.ingest(ctx, c, l, protocol, dir); err != nil || protocol != b.protocols[0] {
		return err
	}
	if err := b.asked(ctx, c, l, dir); err != nil {
		return err
	}
	if last && b.startSpans > 0 && l.kind == store.Spans && c.name == ours {
		return b.startFull(ctx, c, l, dir)
	}
	return nil
}

// start runs a contender on a folder.
func (b *bench) start(ctx context.Context, c contender, dir string) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return c.start(ctx, dir)
}

// ingest sends a load to a contender and waits until it has done what it puts
// off, like sealing and merging.
func (b *bench) ingest(ctx context.Context, c contender, l load, protocol, dir string) error {
	requests, records := l.prefix(l.count(c))
	b.progress("%s: %d %s by %s", c.name, records, words[l.kind], protocol)
	i, err := b.start(ctx, c, dir)
	if err != nil {
		return err
	}
	defer i.kill()
	before, err := i.cpu()
	if err != nil {
		return err
	}
	d, err := b.send(ctx, i, l.signal, l.read(requests), protocol)
	if err != nil {
		return err
	}
	took, err := i.stored(ctx, l.kind, d)
	if err != nil {
		return err
	}
	if err := i.settle(ctx); err != nil {
		return err
	}
	after, err := i.cpu()
	if err != nil {
		return err
	}
	peak, err := i.peak()
	if err != nil {
		return err
	}
	held, err := i.count(ctx, l.kind)
	if err != nil {
		return err
	}
	key := "logs sent "
	if l.kind == store.Spans {
		key = "spans " + protocol + " "
	}
	cpu := (after - before).Seconds()
	b.figures.add(c.name, key+"cpu", cpu/float64(d.acknowledged)*1e6)
	b.figures.add(c.name, key+"per cpu", float64(d.acknowledged)/cpu)
	b.figures.add(c.name, key+"rate", float64(d.acknowledged)/took.Seconds())
	b.figures.add(c.name, key+"slowest", milliseconds(d.slowest()))
	b.figures.add(c.name, key+"p99", milliseconds(d.percentile(.99)))
	b.figures.add(c.name, key+"refused", float64(d.refused))
	b.figures.add(c.name, key+"peak", float64(peak)/1e6)
	b.figures.add(c.name, key+"missing", float64(d.acknowledged-held))
	b.progress("  %.2f CPU s per million, %.0f a second, slowest request %d ms, peak %d MB, %d acknowledged, %d found", cpu/float64(d.acknowledged)*1e6,
		float64(d.acknowledged)/took.Seconds(), d.slowest().Milliseconds(), peak/1e6, d.acknowledged, held)
	return i.end(ctx)
}

// send sends a source over new connections.
func (b *bench) send(ctx context.Context, i *instance, s otlp.Signal, from source, protocol string) (*delivery, error) {
	connections, err := dial(protocol, i, b.connections)
	if err != nil {
		return nil, err
	}
	d, err := send(ctx, s, from, connections)
	for _, c := range connections {
		err = errors.Join(err, c.Close())
	}
	if err == nil && d.acknowledged == 0 {
		err = errors.New("nothing was acknowledged")
	}
	return d, err
}

// asked starts a contender on the store that it has filled, asks it, and weighs
// the store.
func (b *bench) asked(ctx context.Context, c contender, l load, dir string) error {
	i, err := b.start(ctx, c, dir)
	if err != nil {
		return err
	}
	defer i.kill()
	questions := b.questionsFor(c, l)
	if l.kind == store.Spans {
		if err := b.started(ctx, c, i, "start", questions[0]); err != nil {
			return err
		}
	}
	if err := i.settle(ctx); err != nil {
		return err
	}
	_, held := l.prefix(l.count(c))
	if i.recount != nil {
		found, err := i.recount(ctx, l.kind, l.begin.Add(-time.Minute), time.Now())
		if err != nil {
			return err
		}
		b.figures.add(c.name, words[l.kind]+" lost", float64(held-found))
		b.progress("  %d of %d found again", found, held)
	}
	for _, q := range questions {
		if err := b.askAll(ctx, c, i, words[l.kind]+" "+q.key, q.next); err != nil {
			return fmt.Errorf("asking for %s: %w", q.key, err)
		}
	}
	peak, err := i.peak()
	if err != nil {
		return err
	}
	b.figures.add(c.name, words[l.kind]+" asked peak", float64(peak)/1e6)
	weigh := i.bytes
	if c.settled != nil {
		if err := i.end(ctx); err != nil {
			return err
		}
		weigh = func(ctx context.Context, k store.Kind) (int64, error) { return c.settled(ctx, dir, k) }
	}
	bytes, err := weigh(ctx, l.kind)
	if err != nil {
		return err
	}
	b.figures.add(c.name, words[l.kind]+" bytes", float64(bytes)/float64(held))
	b.progress("  %.1f bytes for each of %d", float64(bytes)/float64(held), held)
	return nil
}

// started asks an instance that has just been started, and adds the time from
// its start until the answer.
func (b *bench) started(ctx context.Context, c contender, i *instance, key string, s series) error {
	first, err := i.ask(ctx, s.next(0).question)
	if err != nil {
		return err
	}
	cpu, err := i.cpu()
	if err != nil {
		return err
	}
	took := (i.answering + first.took).Seconds()
	b.figures.add(c.name, key, took)
	b.figures.add(c.name, key+" cpu", cpu.Seconds())
	b.progress("  %s: %.2f s, CPU %.2f s", key, took, cpu.Seconds())
	return nil
}

// startFull sends more spans to a store, until it has as many as the start is to
// be measured with.
func (b *bench) startFull(ctx context.Context, c contender, l load, dir string) error {
	_, records := l.prefix(c.spans)
	b.progress("%s: %d spans more", c.name, b.startSpans-records)
	i, err := b.start(ctx, c, dir)
	if err != nil {
		return err
	}
	defer i.kill()
	if _, err := b.send(ctx, i, l.signal, live(l.more, b.startSpans-records), b.protocols[0]); err != nil {
		return err
	}
	if err := errors.Join(i.settle(ctx), i.end(ctx)); err != nil {
		return err
	}
	again, err := b.start(ctx, c, dir)
	if err != nil {
		return err
	}
	defer again.kill()
	if err := b.started(ctx, c, again, "start full", b.questionsFor(c, l)[0]); err != nil {
		return err
	}
	found, err := again.recount(ctx, store.Spans, l.begin.Add(-time.Minute), time.Now())
	if err != nil {
		return err
	}
	b.figures.add(c.name, "full spans", float64(found))
	b.progress("  %d spans found", found)
	if err := b.askFull(ctx, c, l, again); err != nil {
		return err
	}
	return again.end(ctx)
}

// words name the kinds of records in keys and messages.
var words = map[store.Kind]string{store.Spans: "spans", store.Logs: "logs"}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
