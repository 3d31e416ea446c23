package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// probe is one span, data point or log record on its way.
type probe struct {
	signal   string
	listener Listener
	// mark finds it again: a trace id, the name of a metric, the body of a log
	// record.
	mark  string
	check Check
	// taken is set when the receiver has taken it.
	taken bool
	// arrived is set when the store has it.
	arrived bool
	sent    time.Time
}

// senders are how probes are sent, by what a receiver is: its type, and its
// protocol where it has several.
var senders = map[string]func(context.Context, *examination, *probe) error{
	"otlp grpc":             sendOTLP,
	"otlp http":             postOTLP,
	"jaeger grpc":           sendJaeger,
	"jaeger thrift_http":    postJaeger,
	"jaeger thrift_compact": throwJaeger,
	"jaeger thrift_binary":  throwJaeger,
	"zipkin":                postZipkin,
	"opencensus":            postCensus,
	"statsd":                throwStatsD,
}

// signalsOf are the signals that probes of a type of receiver can have.
func signalsOf(kind string) []string {
	switch kind {
	case "jaeger", "zipkin":
		return []string{"traces"}
	case "opencensus":
		return []string{"traces", "metrics"}
	case "statsd":
		return []string{"metrics"}
	}
	return []string{"traces", "metrics", "logs"}
}

// typeOf is the type of a component: what its name has before the slash.
func typeOf(component string) string {
	kind, _, _ := strings.Cut(component, "/")
	return kind
}

// prepareAll makes the probes: one for each listener and signal.
func (e *examination) prepareAll() {
	for _, l := range e.topology.listeners() {
		kind := typeOf(l.Receiver)
		if senderOf(l) == nil {
			e.report.find(Hop{Kind: "receiver", Component: l.Receiver, Status: Unknown,
				Text: fmt.Sprintf("%s listens at %s; no probe was sent, since it cannot be probed from here", l.Receiver, l.Address)})
			continue
		}
		for _, signal := range signalsOf(kind) {
			if len(e.topology.receives(l.Receiver, signal)) == 0 {
				continue
			}
			e.prepare(signal, l)
		}
	}
	if e.options.Program != nil {
		e.prepareProgram()
	}
}

// senderOf is how a listener is sent to, nil when that is not known.
func senderOf(l Listener) func(context.Context, *examination, *probe) error {
	return senders[strings.TrimSpace(typeOf(l.Receiver)+" "+l.Protocol)]
}

// prepare makes one.
func (e *examination) prepare(signal string, l Listener) {
	p := &probe{signal: signal, listener: l, mark: newMark(signal), sent: time.Now()}
	p.check = Check{Signal: signal, Receiver: l.Receiver, Protocol: l.Protocol, Address: l.Address, Probe: p.mark}
	e.probes = append(e.probes, p)
}

// Parcel is a probe before it is sent.
type Parcel struct {
	Signal   string    `json:"signal"`
	Mark     string    `json:"mark"`
	Listener Listener  `json:"listener"`
	Made     time.Time `json:"made"`
}

// Answer is what came of sending one.
type Answer struct {
	// Taken is set when the receiver has taken it, and it can be followed.
	Taken bool `json:"taken"`
	Hop   Hop  `json:"hop"`
}

// Send sends parcels from here, one after the other. Of the options it looks at
// headers, attributes and the timeout.
func Send(ctx context.Context, o Options, parcels []Parcel) []Answer {
	e := newExamination(o)
	answers := make([]Answer, len(parcels))
	for i, parcel := range parcels {
		answers[i] = e.send(ctx, &probe{signal: parcel.Signal, listener: parcel.Listener, mark: parcel.Mark, sent: parcel.Made})
	}
	return answers
}

// deliver sends the probes, and tells what the receivers said.
func (e *examination) deliver(ctx context.Context) {
	answers := make([]Answer, len(e.probes))
	if e.options.Send == nil {
		for i, p := range e.probes {
			answers[i] = e.send(ctx, p)
		}
	} else if err := e.sendAway(ctx, answers); err != nil {
		for i, p := range e.probes {
			answers[i].Hop = Hop{Kind: "receiver", Component: p.listener.Receiver, Status: Unknown, Text: "no probe was sent: " + err.Error()}
		}
	}
	for i, p := range e.probes {
		p.taken = answers[i].Taken
		p.check.Hops = append(p.check.Hops, answers[i].Hop)
	}
}

// sendAway lets somebody else send the probes.
func (e *examination) sendAway(ctx context.Context, answers []Answer) error {
	if len(e.probes) == 0 {
		return nil
	}
	parcels := make([]Parcel, len(e.probes))
	for i, p := range e.probes {
		parcels[i] = Parcel{p.signal, p.mark, p.listener, p.sent}
	}
	given, err := e.options.Send(ctx, parcels)
	if err == nil && len(given) != len(parcels) {
		err = fmt.Errorf("got %d answers for %d parcels", len(given), len(parcels))
	}
	copy(answers, given)
	return err
}

// send sends one probe.
func (e *examination) send(ctx context.Context, p *probe) Answer {
	l := p.listener
	ctx, cancel := context.WithTimeout(ctx, min(e.options.Timeout, 5*time.Second))
	defer cancel()
	hop := Hop{Kind: "receiver", Component: l.Receiver, Status: OK, Text: "took it"}
	if l.Network == "udp" {
		hop.Text = "was sent it, over UDP, which has no answer"
	}
	send := senderOf(l)
	if send == nil {
		hop.Status, hop.Text = Unknown, "cannot be probed, so no probe was sent"
		return Answer{Hop: hop}
	}
	err := send(ctx, e, p)
	switch {
	case errors.Is(err, errNoAuth), errors.Is(err, errNoCertificate):
		hop.Status = Unknown
		hop.Text, hop.Fix = err.Error()+", so no probe was sent", e.command("--header 'authorization=Bearer …'")
	case err != nil:
		hop.Status = Error
		hop.Text, hop.Fix = refusal(err, l)
		hop.Fix = e.here(hop.Fix)
	case typeOf(l.Receiver) == "statsd":
		hop.Text += "; what it takes goes on after its aggregation_interval, which is not waited for"
	default:
		return Answer{true, hop}
	}
	return Answer{Hop: hop}
}

// command is this examination with another flag.
func (e *examination) command(flag string) string { return e.options.Command + " " + flag }

// here is advice with this examination's own command.
func (e *examination) here(fix string) string {
	return strings.ReplaceAll(fix, "signalbox doctor --local", e.options.Command)
}

// newMark is different each time, and hexadecimal, so that it is a trace id.
func newMark(signal string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	if signal == "metrics" {
		return "signalbox_doctor_" + hex.EncodeToString(b[:6])
	}
	return hex.EncodeToString(b[:])
}

// resource marks the sender of a probe.
func (e *examination) resource(r pcommon.Resource, p *probe) {
	for k, v := range e.attributes(p) {
		r.Attributes().PutStr(k, v)
	}
}

func (e *examination) attributes(p *probe) map[string]string {
	all := map[string]string{"service.name": Service, "signalbox.doctor.probe": p.mark}
	for k, v := range e.options.Attributes {
		all[k] = v
	}
	return all
}

const probeName = "signalbox doctor probe"

func (e *examination) traces(p *probe) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	e.resource(rs.Resource(), p)
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	id := p.traceID()
	s.SetTraceID(id)
	s.SetSpanID(pcommon.SpanID(id[8:]))
	s.SetName(probeName)
	s.SetKind(ptrace.SpanKindInternal)
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(p.sent))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(p.sent.Add(time.Millisecond)))
	return td
}

// traceID is the mark of a span.
func (p *probe) traceID() (id pcommon.TraceID) {
	b, _ := hex.DecodeString(p.mark) // made by newMark
	copy(id[:], b)
	return id
}

func (e *examination) metrics(p *probe) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	e.resource(rm.Resource(), p)
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(p.mark)
	m.SetDescription(probeName)
	point := m.SetEmptyGauge().DataPoints().AppendEmpty()
	point.SetTimestamp(pcommon.NewTimestampFromTime(p.sent))
	point.SetIntValue(1)
	return md
}

func (e *examination) logs(p *probe) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	e.resource(rl.Resource(), p)
	r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetTimestamp(pcommon.NewTimestampFromTime(p.sent))
	r.SetSeverityNumber(plog.SeverityNumberInfo)
	r.SetSeverityText("INFO")
	r.Body().SetStr(probeName + " " + p.mark)
	return ld
}

// Program is where a user's program sends to, as its SDK is configured.
type Program struct {
	Endpoint string // OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318"
	Protocol string // OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", "http/protobuf" or "http/json"
}

// prepareProgram makes a span that is sent as the user's program does, and
// compares what it meets with what listens.
func (e *examination) prepareProgram() {
	address, secure := strings.TrimPrefix(e.options.Program.Endpoint, "http://"), false
	if rest, ok := strings.CutPrefix(address, "https://"); ok {
		address, secure = rest, true
	}
	address, _, _ = strings.Cut(address, "/")
	l := Listener{Receiver: "otlp", Protocol: "http", Network: "tcp", Address: address, TLS: secure}
	if e.options.Program.Protocol == "grpc" {
		l.Protocol = "grpc"
	}
	i := slices.IndexFunc(e.topology.Listeners, func(o Listener) bool { return samePort(o.Address, address) })
	if i < 0 {
		e.report.find(Hop{Status: Error, Text: fmt.Sprintf("programs send to %s, where no receiver of this collector listens", e.options.Program.Endpoint), Fix: e.otlpHint()})
		return
	}
	real := e.topology.Listeners[i]
	if typeOf(real.Receiver) != "otlp" || real.Protocol != l.Protocol {
		e.report.find(Hop{Status: Error, Text: fmt.Sprintf("programs send OTLP over %s to %s, which takes %s", l.Protocol, e.options.Program.Endpoint, strings.TrimSpace(real.Receiver+" "+real.Protocol)), Fix: e.otlpHint()})
		return
	}
	l.Receiver = real.Receiver
	if len(e.topology.receives(l.Receiver, "traces")) > 0 {
		e.prepare("traces", l)
	}
}

// otlpHint names the addresses that programs can use.
func (e *examination) otlpHint() string {
	var lines []string
	for _, l := range e.topology.Listeners {
		if typeOf(l.Receiver) == "otlp" {
			protocol, scheme := map[string]string{"http": "http/protobuf"}[l.Protocol], "http"
			if protocol == "" {
				protocol = l.Protocol
			}
			if l.TLS {
				scheme = "https"
			}
			lines = append(lines, fmt.Sprintf("OTEL_EXPORTER_OTLP_PROTOCOL=%s OTEL_EXPORTER_OTLP_ENDPOINT=%s://%s", protocol, scheme, dialable(l.Address)))
		}
	}
	if len(lines) == 0 {
		return "receivers:\n  otlp: {protocols: {grpc: {}, http: {}}}"
	}
	return strings.Join(lines, "\n")
}

// samePort compares addresses on this machine by their ports.
func samePort(a, b string) bool {
	return a[strings.LastIndexByte(a, ':')+1:] == b[strings.LastIndexByte(b, ':')+1:]
}

// errNoAuth is why no probe goes to a receiver.
var errNoAuth = errors.New("it wants credentials")

// errNoCertificate too.
var errNoCertificate = errors.New("it wants a client's certificate")

// admitted says whether a listener can be sent to with what is known.
func (e *examination) admitted(l Listener) error {
	switch {
	case l.Certificates:
		return errNoCertificate
	case l.Auth != "" && len(e.options.Headers) == 0:
		return errNoAuth
	}
	return nil
}
