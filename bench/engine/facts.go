package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// What searches ask for: of each service one operation, an attribute of it, and
// a duration that some of its spans have.
const (
	searchedTenant   = "tenant-010"
	searchedDuration = 10 * time.Millisecond
	searchLimit      = 20
	services         = 20
)

func serviceName(s int) string { return fmt.Sprintf("service-%02d", s) }

func searchedOperation(service string) string { return "POST /api/v1/" + service + "/things-5/{id}" }

// known is a trace that contenders are asked for.
type known struct {
	id      store.TraceID
	request int // that has its first spans; the others are in the two after it
	spans   int
	session string // that only it has
	service string // of one of its spans
}

// hit is a span that the search finds.
type hit struct {
	request int
	trace   store.TraceID
	start   uint64
}

// line is a log record with a text that only it has.
type line struct {
	request int
	text    string
}

// facts are the right answers, noted while the workload is made.
type facts struct {
	known []*known
	byID  map[store.TraceID]*known
	hits  map[string][]hit // by service
	lines []line
}

func newFacts() facts {
	return facts{byID: map[store.TraceID]*known{}, hits: map[string][]hit{}}
}

// note looks at a request: at one trace in 16, at what the search finds, and at
// one log record in 1000.
func (f *facts) note(request int, b *store.Batch) {
	for i := range b.Spans {
		s := &b.Spans[i]
		if s.TraceID[0]&15 == 0 {
			f.noteTrace(request, s)
		}
		service := s.Resource.ServiceName()
		if s.Duration() >= uint64(searchedDuration) && s.Name == searchedOperation(service) && attribute(s, "app.tenant") == searchedTenant {
			f.hits[service] = append(f.hits[service], hit{request, s.TraceID, s.Start})
		}
	}
	for i := range b.Logs {
		if text := unique(b.Logs[i].Body); text != "" {
			f.lines = append(f.lines, line{request, text})
			break
		}
	}
}

func (f *facts) noteTrace(request int, s *store.Span) {
	k := f.byID[s.TraceID]
	if k == nil {
		k = &known{id: s.TraceID, request: request, session: attribute(s, "session.id"), service: s.Resource.ServiceName()}
		f.byID[s.TraceID] = k
		f.known = append(f.known, k)
	}
	k.spans++
}

func attribute(s *store.Span, key string) string {
	for _, a := range s.Attrs {
		if a.Key == key {
			return a.Value.Str()
		}
	}
	return ""
}

// unique is a piece of a session's id in the message that one was opened: it
// begins and ends within words.
func unique(body store.Value) string {
	if body.Type != store.String {
		return ""
	}
	after, ok := strings.CutPrefix(body.Str(), "Session ")
	if !ok || len(after) < 36 {
		return ""
	}
	return after[3:30]
}

// sample picks n of the traces whose spans are all in the first requests.
func (f *facts) sample(requests, n int) []*known {
	return pick(f.known, n, func(k *known) bool { return k.request+2 < requests })
}

// sampleLines picks n of the log records of the first requests.
func (f *facts) sampleLines(requests, n int) []line {
	return pick(f.lines, n, func(l line) bool { return l.request < requests })
}

// pick picks n at random, the same each time.
func pick[T any](all []T, n int, from func(T) bool) []T {
	var some []T
	for _, v := range all {
		if from(v) {
			some = append(some, v)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:min(n, len(some))]
}

// found is how many spans, or traces, the search for a service finds in the
// first requests and [start, end): at least those that are well within, at most
// those that touch it.
func (f *facts) found(k kind, service string, requests int, start, end uint64) (least, most int) {
	const edge = uint64(time.Minute)
	inside, touching := map[any]bool{}, map[any]bool{}
	for i, h := range f.hits[service] {
		var key any = h.trace
		if k == searchSpans {
			key = i
		}
		if h.request >= requests {
			continue
		}
		if h.start+edge >= start && h.start < end+edge {
			touching[key] = true
		}
		if h.start >= start+edge && h.start+edge < end {
			inside[key] = true
		}
	}
	return min(len(inside), searchLimit), min(len(touching), searchLimit)
}

// busiest are the services in the order of what the search finds.
func (f *facts) busiest() []string {
	var all []string
	for s := range services {
		all = append(all, serviceName(s))
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(len(f.hits[b]), len(f.hits[a])) })
	return all
}
