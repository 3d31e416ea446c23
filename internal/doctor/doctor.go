// Package doctor finds out why no data arrives: it sends a span, a metric and a
// log record through a running collector's real receivers and follows them to
// the store and to every exporter.
//
// It is a client like any other. How the collector is put together comes from
// its API, or from its configuration; what became of the probes from the
// collector's own metrics, from its account of losses, and from the store.
//
// Invariants: it changes nothing but for the probes, which are few and marked
// with the resource attributes service.name = "signalbox-doctor" and
// signalbox.doctor.probe. A hop is called good only on evidence of this run, never
// because nothing bad was seen.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Service is the service.name of probes.
const Service = "signalbox-doctor"

// Options say what is examined.
type Options struct {
	// Server is the address of the API, "http://localhost:4316"; "" when the
	// collector has none.
	Server string
	// Topology is how the collector is put together; nil: its API is asked.
	Topology *Topology
	// Headers are sent with every probe, for receivers that want to know who
	// sends.
	Headers map[string]string
	// Attributes are resource attributes of the probes besides their marks. They
	// may replace service.name.
	Attributes map[string]string
	// Program is where the user's program sends to; nil when that is not known.
	Program *Program
	// Timeout is how long a probe may take from the receiver to the last
	// exporter.
	Timeout time.Duration

	// What follows is for a collector on another machine.

	// Client reads what is asked over HTTP; nil is the default one.
	Client *http.Client
	// Store is the address of the API of a store behind the collector, and
	// LeadsToStore reports whether what is sent to an endpoint comes there.
	Store        string
	LeadsToStore func(endpoint string) bool
	// Metrics are where the processes of the collector have their own metrics;
	// none: where the topology says.
	Metrics []string
	// Send sends the parcels, and answers for each of them; nil sends from here.
	Send func(context.Context, []Parcel) ([]Answer, error)
	// Command is this examination on a command line, which advice refers to; "" is
	// "signalbox doctor --local".
	Command string
}

// Status is how bad something is.
type Status string

// From unseen over good to bad.
const (
	Unknown Status = "unknown"
	OK      Status = "ok"
	Warning Status = "warning"
	Error   Status = "error"
)

// worse orders them.
var worse = []Status{Unknown, OK, Warning, Error}

// Hop is one place that a probe comes to, and what became of it there; or
// something that was found beside the way.
type Hop struct {
	Kind      string `json:"kind,omitempty"` // "receiver", "processor", "exporter", "connector", "store"
	Component string `json:"component,omitempty"`
	Pipeline  string `json:"pipeline,omitempty"`
	Status    Status `json:"status"`
	Text      string `json:"text"`          // a sentence without its end
	Fix       string `json:"fix,omitempty"` // what mends it: a command or a configuration
}

// Check is one probe and its way.
type Check struct {
	Signal   string `json:"signal"`
	Receiver string `json:"receiver"`
	Protocol string `json:"protocol,omitempty"`
	Address  string `json:"address,omitempty"`
	Probe    string `json:"probe,omitempty"` // trace id of a span, mark of the others
	Status   Status `json:"status"`          // the worst of its hops
	Hops     []Hop  `json:"hops"`
}

// Report is what was found.
type Report struct {
	Server   string  `json:"server,omitempty"`
	Version  string  `json:"version,omitempty"`
	Status   Status  `json:"status"`
	Findings []Hop   `json:"findings"` // that belong to no probe
	Checks   []Check `json:"checks"`
}

// Count is how many different things of a status were found: what stops two
// probes at the same place is one.
func (r *Report) Count(s Status) int {
	found := map[Hop]bool{}
	for _, f := range r.Findings {
		found[f] = f.Status == s
	}
	for _, c := range r.Checks {
		for _, h := range c.Hops {
			if h.Kind == "receiver" { // each listener is a place of its own
				h.Pipeline += c.Protocol + c.Signal
			}
			found[h] = h.Status == s
		}
	}
	n := 0
	for _, counts := range found {
		if counts {
			n++
		}
	}
	return n
}

func (r *Report) find(h Hop) { r.Findings = append(r.Findings, h) }

// settle fills in the statuses that follow from others.
func (r *Report) settle() {
	var all []Status
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Status = worstOf(c.Hops, "")
		if c.Status == OK && c.Probe != "" {
			// Unknown, when it was not seen to come out.
			c.Status = worst([]Status{worstOf(c.Hops, "exporter"), worstOf(c.Hops, "store")})
		}
		all = append(all, c.Status)
	}
	for _, f := range r.Findings {
		all = append(all, f.Status)
	}
	r.Status = worst(all)
}

// worstOf is the worst status of hops of a kind, "" for all.
func worstOf(hops []Hop, kind string) Status {
	var list []Status
	for _, h := range hops {
		if kind == "" || h.Kind == kind {
			list = append(list, h.Status)
		}
	}
	return worst(list)
}

func worst(list []Status) Status {
	found := Unknown
	for _, s := range list {
		if slices.Index(worse, s) > slices.Index(worse, found) {
			found = s
		}
	}
	return found
}

// Examine examines a running collector. The error is about the command; whatever
// is wrong with the collector is in the report.
func Examine(ctx context.Context, o Options) (*Report, error) {
	e := newExamination(o)
	if !e.begin(ctx) {
		e.report.settle()
		return e.report, ctx.Err()
	}
	e.before = e.look(ctx)
	e.prepareAll()
	e.deliver(ctx)
	e.follow(ctx)
	e.passive()
	e.report.settle()
	return e.report, ctx.Err()
}

func newExamination(o Options) *examination {
	o.Client = cmp.Or(o.Client, http.DefaultClient)
	o.Command = cmp.Or(o.Command, "signalbox doctor --local")
	return &examination{
		options: o, api: api{o.Server, o.Client}, store: api{cmp.Or(o.Store, o.Server), o.Client},
		report: &Report{Server: o.Server, Findings: []Hop{}, Checks: []Check{}},
	}
}

// examination is one run.
type examination struct {
	options  Options
	api      api // without an address when the collector has none
	store    api // without an address when there is none
	topology Topology
	report   *Report
	before   sight
	probes   []*probe
	// blind is set when the collector's own metrics cannot be read.
	blind bool
}

// begin learns how the collector is put together; false when there is nothing to
// examine.
func (e *examination) begin(ctx context.Context) bool {
	if e.options.Topology != nil {
		e.topology = *e.options.Topology
	}
	if e.api.address != "" {
		if !e.ask(ctx) && e.options.Topology == nil {
			return false
		}
	}
	if len(e.topology.Pipelines) == 0 {
		e.report.find(Hop{Status: Error, Text: "the collector has no pipelines", Fix: "service:\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}"})
		return false
	}
	if e.topology.Foreign {
		e.blind = true
		return true
	}
	urls := e.metricsURLs()
	if len(urls) == 0 {
		e.blind = true
		e.report.find(Hop{Status: Warning, Text: "the collector's own metrics are off: what happens between receiver and store cannot be seen",
			Fix: "service:\n  telemetry:\n    metrics:\n      level: normal\n      readers: [{pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]"})
	}
	for _, url := range urls {
		if _, err := e.scrape(ctx, url); err != nil {
			e.blind = true
			e.report.find(Hop{Status: Error, Text: fmt.Sprintf("the collector's own metrics at %s cannot be read: %s", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics"), cause(err)),
				Fix: "is the collector running, and with this configuration?"})
			break
		}
	}
	return true
}

// ask gets topology and status from the API. Without an answer the API is not
// used any further.
func (e *examination) ask(ctx context.Context) bool {
	t, err := e.api.topology(ctx)
	if err != nil {
		e.report.find(Hop{Status: Error, Text: fmt.Sprintf("no Signalbox answers at %s: %s", e.api.address, cause(err)),
			Fix: "start one with: signalbox up\nname another address with --server, or a collector's configuration with --config"})
		e.api.address, e.store.address = "", e.options.Store
		return false
	}
	e.topology = t
	s, err := e.api.status(ctx)
	if err != nil {
		e.report.find(Hop{Status: Error, Text: fmt.Sprintf("the status of %s cannot be read: %s", e.api.address, cause(err))})
		return true
	}
	e.report.Version = s.Version
	for kind, why := range map[string]string{"spans": s.Store.Spans.Refusing, "log records": s.Store.Logs.Refusing} {
		if why != "" {
			e.report.find(Hop{Kind: "store", Status: Error, Text: fmt.Sprintf("the store takes no %s: %s", kind, why),
				Fix: "free space on the disk of " + s.Store.Directory + ", or keep less: retention: {max_size: …} of the query extension, --retention-size of signalbox up"})
		}
	}
	return true
}

// cause is the innermost of an error, in one line.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
