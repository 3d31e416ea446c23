package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// follow waits until it is known what became of every probe, or the time is up,
// and writes it down.
func (e *examination) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	after := e.before
	for {
		if now := e.look(ctx); ctx.Err() == nil { // else it saw nothing
			after = now
		}
		e.search(ctx)
		ways := make([]way, len(e.probes))
		pending := false
		for i, p := range e.probes {
			ways[i] = e.wayOf(p, after)
			pending = pending || ways[i].pending
		}
		over := ctx.Err() != nil
		if pending && !over {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
			continue
		}
		for i, p := range e.probes {
			p.check.Hops = append(p.check.Hops, ways[i].hops...)
			e.report.Checks = append(e.report.Checks, p.check)
		}
		return
	}
}

// search looks for the probes in the store.
func (e *examination) search(ctx context.Context) {
	if e.store.address == "" {
		return
	}
	for _, p := range e.probes {
		if !p.taken || p.arrived {
			continue
		}
		if found, err := e.store.arrived(ctx, p); err == nil && found {
			p.arrived = true
		}
	}
}

// way is what is known about one probe behind its receiver.
type way struct {
	hops    []Hop
	pending bool
}

func (w *way) add(h Hop) { w.hops = append(w.hops, h) }

// wayOf follows a probe. After is the latest sight.
func (e *examination) wayOf(p *probe, after sight) way {
	var w way
	if p.taken {
		e.through(&w, p, p.listener.Receiver, after, nil)
		e.storeBehind(&w, p)
		return w
	}
	// It was refused: by whom?
	for _, pipe := range e.topology.receives(p.listener.Receiver, p.signal) {
		for kind, names := range map[string][]string{"processor": pipe.Processors, "exporter": pipe.Exporters} {
			for _, name := range names {
				for _, l := range after.lost(e.before, kind, name, p.signal) {
					if l.Outcome == "refused" {
						w.add(e.lossHop(l, pipe.ID))
					}
				}
			}
		}
	}
	return w
}

// through goes through the pipelines of a receiver, and those that connectors
// lead to. Seen are the pipelines gone through.
func (e *examination) through(w *way, p *probe, receiver string, after sight, seen []string) {
	for _, pipe := range e.topology.receives(receiver, p.signal) {
		if slices.Contains(seen, pipe.ID) {
			continue
		}
		seen = append(seen, pipe.ID)
		stopped := e.processors(w, p, pipe, after)
		for _, name := range pipe.Exporters {
			if slices.Contains(e.topology.Connectors, name) {
				e.connector(w, p, pipe, name)
				e.through(w, p, name, after, seen)
				continue
			}
			h, pending := e.exporter(p, pipe, name, stopped, after)
			w.add(h)
			w.pending = w.pending || pending
		}
	}
}

// processors tells what those of a pipeline lost. Stopped is the one that kept
// what came from going on, "" when none is known to have.
func (e *examination) processors(w *way, p *probe, pipe Pipeline, after sight) (stopped string) {
	for _, name := range pipe.Processors {
		for _, l := range after.lost(e.before, "processor", name, p.signal) {
			if p.arrived && l.Outcome == "dropped" {
				continue // it was something else
			}
			w.add(e.lossHop(l, pipe.ID))
			stopped = name
		}
	}
	return stopped
}

// connector tells where one leads.
func (e *examination) connector(w *way, p *probe, pipe Pipeline, name string) {
	var to []string
	for _, other := range e.topology.Pipelines {
		if slices.Contains(other.Receivers, name) {
			to = append(to, other.ID)
		}
	}
	w.add(Hop{Kind: "connector", Component: name, Pipeline: pipe.ID, Status: Unknown, Text: "leads to " + strings.Join(to, ", ")})
}

// reaching is how many probes of a signal come to an exporter.
func (e *examination) reaching(exporter, signal string) int {
	n := 0
	for _, p := range e.probes {
		if p.taken && p.signal == signal && e.leads(p.listener.Receiver, exporter, signal, nil) {
			n++
		}
	}
	return n
}

// leads says whether what a receiver takes comes to an exporter.
func (e *examination) leads(receiver, exporter, signal string, seen []string) bool {
	for _, pipe := range e.topology.receives(receiver, signal) {
		if slices.Contains(seen, pipe.ID) {
			continue
		}
		seen = append(seen, pipe.ID)
		for _, name := range pipe.Exporters {
			if name == exporter || slices.Contains(e.topology.Connectors, name) && e.leads(name, exporter, signal, seen) {
				return true
			}
		}
	}
	return false
}

// exporter tells what became of a probe at one. Pending says that it may become
// clearer.
func (e *examination) exporter(p *probe, pipe Pipeline, name, stopped string, after sight) (h Hop, pending bool) {
	h = Hop{Kind: "exporter", Component: name, Pipeline: pipe.ID, Status: OK}
	out := after.since(e.before, key(sent, name, p.signal)) >= float64(e.reaching(name, p.signal))
	stored := typeOf(name) == "store" && e.store.address != ""
	losses := after.lost(e.before, "exporter", name, p.signal)
	slices.SortFunc(losses, func(a, b loss) int { return strings.Compare(a.Outcome, b.Outcome) }) // failed, refused, retried
	waiting := after.numbers[key(queued, name, p.signal)]
	switch {
	case stored && p.arrived:
		h.Text = p.found()
	case out && !stored && len(losses) > 0:
		h = e.lossHop(losses[0], pipe.ID)
		h.Status, h.Text = Warning, "sent it, but not everything: "+h.Text
	case after.numbers[key(idle, name, p.signal)] > 0:
		h.Status, h.Text = Error, "could not start and is tried again; it holds "+count(after.numbers[key(held, name, p.signal)], p.signal)+" until then"
		h.Fix = e.problemOf(name)
	case len(losses) > 0:
		h = e.lossHop(losses[0], pipe.ID)
		if losses[0].Outcome == "retried" && waiting > 0 {
			h.Text += fmt.Sprintf("; %.0f of %.0f places of the sending queue are taken", waiting, after.numbers[key(capacity, name, p.signal)])
		}
	case out && !stored && !e.blind:
		h.Text = "sent it"
		if to := e.topology.exit(name).Endpoint; to != "" {
			h.Text += " to " + to
		}
	case typeOf(name) == "nop":
		h.Status, h.Text = Unknown, "throws away everything that comes"
	case stopped != "":
		h.Status, h.Text = Unknown, "nothing came: "+stopped+" did not let it through"
	case e.blind && !stored:
		h.Status, h.Text = Unknown, "cannot be seen without the collector's own metrics"
	default:
		h.Status, h.Text, h.Fix = e.missing(pipe, name, waiting)
		return h, true
	}
	return h, false
}

// problemOf is the latest that an exporter logged, where it can be asked for.
func (e *examination) problemOf(exporter string) string {
	for _, p := range e.topology.Problems {
		if p.Kind == "exporter" && p.Component == exporter && p.Detail != "" {
			return p.Detail
		}
	}
	return "the collector's log says what it misses: credentials, a file, an address"
}

// slow are the processors that keep data for a while.
var slow = []string{"tail_sampling", "groupbytrace", "batch", "interval"}

// missing is what to say when a probe did not come out, and nobody lost it.
func (e *examination) missing(pipe Pipeline, exporter string, waiting float64) (Status, string, string) {
	text := fmt.Sprintf("nothing came out within %s, and no component says that it lost it", e.options.Timeout)
	if waiting > 0 {
		text = fmt.Sprintf("it waits in the sending queue since %s", e.options.Timeout)
	}
	for _, name := range pipe.Processors {
		if slices.Contains(slow, typeOf(name)) {
			return Warning, fmt.Sprintf("%s; %s may keep it longer", text, name), e.command("--timeout 60s")
		}
	}
	if typeOf(exporter) == "prometheus" {
		return Warning, text, ""
	}
	return Error, text, "look for " + exporter + " in the collector's log"
}

// lossHop tells of a loss.
func (e *examination) lossHop(l loss, pipeline string) Hop {
	h := Hop{Kind: l.Kind, Component: l.Component, Pipeline: pipeline, Status: Error}
	if l.Outcome == "dropped" && l.Reason != "filtered" {
		h.Status = Warning
	}
	h.Text, h.Fix = explain(l, e.topology.exit(l.Component))
	h.Fix = e.here(h.Fix)
	return h
}

// found says where the store has a probe.
func (p *probe) found() string {
	return "has it: " + map[string]string{"traces": "trace " + p.mark, "metrics": "metric " + p.mark, "logs": "log record with " + p.mark}[p.signal]
}

// storeBehind tells whether a probe came to the store that is behind the
// collector. One that is not led there is only told of when it is there.
func (e *examination) storeBehind(w *way, p *probe) {
	if e.options.Store == "" {
		return
	}
	h := Hop{Kind: "store", Component: "store", Status: OK, Text: p.found()}
	if p.arrived {
		w.add(h)
		return
	}
	if !e.topology.Foreign && !e.leadsToStore(p.listener.Receiver, p.signal, nil) {
		return
	}
	switch worstOf(w.hops, "") {
	case Error, Warning:
		h.Status, h.Text = Unknown, "does not have it, for the reason above"
	default:
		h.Status, h.Text = Error, fmt.Sprintf("does not have it after %s", e.options.Timeout)
		h.Fix = e.command("--timeout 60s")
		w.pending = true
	}
	w.add(h)
}

// leadsToStore says whether what a receiver takes is sent to the store.
func (e *examination) leadsToStore(receiver, signal string, seen []string) bool {
	if e.options.LeadsToStore == nil {
		return false
	}
	for _, pipe := range e.topology.receives(receiver, signal) {
		if slices.Contains(seen, pipe.ID) {
			continue
		}
		seen = append(seen, pipe.ID)
		for _, name := range pipe.Exporters {
			if e.options.LeadsToStore(e.topology.exit(name).Endpoint) ||
				slices.Contains(e.topology.Connectors, name) && e.leadsToStore(name, signal, seen) {
				return true
			}
		}
	}
	return false
}

// early is how long a collector has run before it is odd that a receiver has
// brought nothing.
const early = 90 * time.Second

// passive tells of receivers that fetch what they have: nothing can be sent to
// them.
func (e *examination) passive() {
	after := e.before
	var names []string
	for _, pipe := range e.topology.Pipelines {
		for _, name := range pipe.Receivers {
			listens := slices.ContainsFunc(e.topology.Listeners, func(l Listener) bool { return l.Receiver == name })
			if listens || slices.Contains(e.topology.Connectors, name) || slices.Contains(names, name+" "+pipe.Signal) || e.blind {
				continue
			}
			names = append(names, name+" "+pipe.Signal)
			h := Hop{Kind: "receiver", Component: name, Pipeline: pipe.ID, Status: OK,
				Text: "has brought " + count(after.numbers[key(accepted, name, pipe.Signal)], pipe.Signal) + " so far"}
			if after.numbers[key(accepted, name, pipe.Signal)] == 0 {
				h.Status, h.Text = Warning, "has brought nothing yet"
				if after.numbers[uptime] < early.Seconds() {
					h.Status = Unknown
				}
			}
			e.report.Checks = append(e.report.Checks, Check{Signal: pipe.Signal, Receiver: name, Hops: []Hop{h}})
		}
	}
	if e.api.address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	targets, err := e.api.down(ctx)
	if err != nil {
		return // there is no such store
	}
	for _, t := range targets {
		e.report.find(Hop{Kind: "receiver", Status: Warning, Text: "scraping " + t + " fails",
			Fix: "is it running, and are its address and path right in scrape_configs? The page shows why: Pipelines, Targets"})
	}
}

// count is a number of items, as people say it.
func count(n float64, signal string) string {
	word := map[string]string{"traces": "span", "metrics": "point", "logs": "record"}[signal]
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%.0f %s", n, word)
}
