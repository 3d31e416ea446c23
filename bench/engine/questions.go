package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// asking is a question of which there are many, and how the right answer to each
// is known.
type asking struct {
	question
	right func(found int) bool
}

// series is questions that are measured together.
type series struct {
	key  string
	next func(n int) asking
}

func exactly(want int) func(int) bool { return func(found int) bool { return found == want } }

// warmUp is how often contenders are asked before it counts.
const warmUp = 20

// askLimit bounds the time of one series.
const askLimit = 10 * time.Second

// askAll asks a contender the questions of a series and adds the figures.
func (b *bench) askAll(ctx context.Context, c contender, i *instance, key string, next func(int) asking) error {
	var times []time.Duration
	wrong := 0
	began := time.Now()
	before, err := i.cpu()
	for n := 0; err == nil && n < b.queries+warmUp && (len(times) < 3 || time.Since(began) < askLimit); n++ {
		a := next(n)
		got, err := i.ask(ctx, a.question)
		if errors.Is(err, errNotOffered) {
			return nil
		}
		if err != nil {
			return err
		}
		if !a.right(got.found) {
			wrong++
		}
		if n < warmUp && time.Since(began) < askLimit/4 {
			if before, err = i.cpu(); err != nil {
				return err
			}
			continue
		}
		times = append(times, got.took)
	}
	after, err := i.cpu()
	if err != nil {
		return err
	}
	p50, p95, cpu := percentile(times, .5), percentile(times, .95), (after-before)/time.Duration(len(times))
	b.figures.add(c.name, key+" p50", milliseconds(p50))
	b.figures.add(c.name, key+" p95", milliseconds(p95))
	b.figures.add(c.name, key+" cpu", milliseconds(cpu))
	b.figures.add(c.name, key+" wrong", float64(wrong))
	b.progress("  %s: p50 %.2f ms, p95 %.2f ms, CPU %.2f ms, %d of %d wrong", key, milliseconds(p50), milliseconds(p95), milliseconds(cpu), wrong, len(times))
	return nil
}

// questionsFor are the questions about what a contender was sent of a load.
func (b *bench) questionsFor(c contender, l load) []series {
	requests, _ := l.prefix(l.count(c))
	end := time.Unix(0, int64(l.requests[requests-1].newest)).Add(time.Second)
	everything := question{start: l.begin.Add(-time.Minute), end: end}
	if l.kind == store.Logs {
		return b.aboutLogs(l, requests, everything)
	}
	hour := question{start: end.Add(-time.Hour), end: end}
	known, busiest := l.facts.sample(requests, b.queries), l.facts.busiest()
	return []series{
		{"trace", func(n int) asking {
			k := known[n%len(known)]
			return asking{question{kind: oneTrace, trace: k.id, start: everything.start, end: end}, exactly(k.spans)}
		}},
		{"search", func(n int) asking { return hitOfHour(c, l, searchSpans, busiest[n%len(busiest)], hour) }},
		{"search traces", func(n int) asking { return hitOfHour(c, l, searchTraces, busiest[n%len(busiest)], hour) }},
		{"absent", func(n int) asking {
			q := everything
			q.kind, q.service, q.key, q.value = searchTraces, busiest[n%len(busiest)], "app.tenant", fmt.Sprintf("tenant-%d-absent", n)
			return asking{q, exactly(0)}
		}},
		{"rare", func(n int) asking {
			q, k := everything, known[n%len(known)]
			q.kind, q.service, q.key, q.value = searchTraces, k.service, "session.id", k.session
			return asking{q, exactly(1)}
		}},
		{"minutes", byMinutes(everything)},
		{"minutes 1h", byMinutes(hour)},
	}
}

// hitOfHour is the search that finds something.
func hitOfHour(c contender, l load, k kind, service string, hour question) asking {
	q := hour
	requests, _ := l.prefix(l.count(c))
	q.kind, q.service, q.operation, q.least = k, service, searchedOperation(service), searchedDuration
	q.key, q.value = "app.tenant", searchedTenant
	least, most := l.facts.found(k, service, requests, uint64(q.start.UnixNano()), uint64(q.end.UnixNano()))
	if c.loose {
		most = searchLimit
	}
	return asking{q, func(found int) bool { return found >= least && found <= most }}
}

// byMinutes ends a little earlier each time, so that no answer is kept for the
// next.
func byMinutes(q question) func(int) asking {
	return func(n int) asking {
		q := q
		q.kind, q.end = byMinute, q.end.Add(-time.Duration(n)*time.Millisecond)
		return asking{q, exactly(services)}
	}
}

// aboutLogs are the questions about log records: what many have in their bodies,
// what one has, what none has. All begin and end within words.
func (b *bench) aboutLogs(l load, requests int, everything question) []series {
	everything.kind = searchLogs
	texts := []string{"ircuit breaker fo", "ealth check pass", "cquired lock fo"}
	lines := l.facts.sampleLines(requests, b.queries)
	return []series{
		{"frequent", func(n int) asking {
			q := everything
			q.text = texts[n%len(texts)]
			return asking{q, exactly(searchLimit)}
		}},
		{"rare", func(n int) asking {
			q := everything
			q.text = lines[n%len(lines)].text
			return asking{q, exactly(1)}
		}},
		{"absent", func(n int) asking {
			q := everything
			q.text = fmt.Sprintf("zebra-%d-quagg", n)
			return asking{q, exactly(0)}
		}},
	}
}

// askFull asks a store again that has many times the spans of the load.
func (b *bench) askFull(ctx context.Context, c contender, l load, i *instance) error {
	now := question{end: time.Now()}
	now.start = l.begin.Add(-time.Minute)
	hour := now
	hour.start = now.end.Add(-time.Hour)
	absent := func(n int) asking {
		q := now
		q.kind, q.key, q.value = searchTraces, "app.tenant", fmt.Sprintf("tenant-%d-absent", n)
		return asking{q, exactly(0)}
	}
	for _, s := range []series{b.questionsFor(c, l)[0], {"absent", absent}, {"minutes", byMinutes(now)}, {"minutes 1h", byMinutes(hour)}} {
		if err := b.askAll(ctx, c, i, "full "+s.key, s.next); err != nil {
			return err
		}
	}
	return nil
}
