package workload

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Logs makes log records of the shop that Workload's spans are from: 200
// messages with ids, paths, users, numbers and durations in them, 1 % errors
// with a stack trace, 6 to 10 attributes, trace ids on half of the records, 2.5
// million records an hour.
type Logs struct {
	*Workload
	templates [][]template // by service
	requests  []request    // being answered
}

// template is a message: texts and what is between them.
type template struct {
	texts    []string // one more than fields
	fields   []string
	severity int32
	logger   string
	function string
}

// request is what the records about one request have in common.
type request struct {
	trace               store.TraceID
	span                store.SpanID
	id, user, path, ip  string
	tenant, status, pod int
}

// things are what the services' messages are about: five for each service, of
// which it shares some with others.
var things = strings.Fields("cart order payment stock invoice shipment coupon price customer address review basket refund voucher parcel warehouse")

// messages are the kinds of templates with their severities. A word in braces
// is made for each record; {thing} belongs to the template.
var messages = []struct {
	severity int32
	text     string
}{
	{9, "Received {method} {path} from {ip}"},
	{9, "{thing} {id} updated by {user} in {ms} ms"},
	{9, "Completed {method} {path} with status {status} in {ms} ms, {n} bytes written"},
	{5, "Cache hit for key {thing}:{uuid}"},
	{5, "cache miss for {thing}:{id}, loading from database shard-{small}"},
	{9, "Published event {thing}.changed to topic-{small}, partition {small}, offset {n}"},
	{9, "Session {uuid} of {user} opened from {ip}"},
	{13, "Retrying request {uuid} to {thing}-service, attempt {small} of 5, backoff {ms}ms"},
	{13, "Slow query on table {thing}s took {ms} ms: SELECT * FROM {thing}s WHERE id = {id} FOR UPDATE"},
	{5, "Validated {thing} {uuid}: {small} rules, {n} fields"},
	{9, "Scheduled job {thing}-cleanup finished, removed {n} rows"},
	{5, "connection pool stats: active={small} idle={small} waiting=0 max=50"},
	{9, "Health check passed"},
	{5, "Acquired lock for {thing}"},
	{9, `{"event":"{thing}_viewed","user":"{user}","id":{id},"elapsed_ms":{ms}}`},
	{13, "Circuit breaker for {thing}-service is half open"},
	{9, "Authorized {user} for scope {thing}:write, token expires in {n}s"},
}

// NewLogs returns a workload whose first record is of soon after start. Its spans
// are none of its records': ask New for spans.
func NewLogs(start uint64) *Logs {
	l := &Logs{Workload: New(start)}
	l.Rand = rand.New(rand.NewPCG(11, 11))
	for s := range 20 {
		var own []template
		for i := range 10 {
			m := messages[(s*10+i*3)%len(messages)]
			t := parse(strings.ReplaceAll(m.text, "{thing}", things[(s+i)%len(things)]))
			t.severity = m.severity
			t.logger = fmt.Sprintf("com.example.shop.service%02d.%s", s, things[(s+i)%len(things)])
			t.function = fmt.Sprintf("%s.handle%d", t.logger, i)
			own = append(own, t)
		}
		l.templates = append(l.templates, own)
	}
	for range 64 {
		l.requests = append(l.requests, l.request())
	}
	return l
}

// parse divides a message at its braces; those of JSON have no letter after
// them.
func parse(s string) (t template) {
	text := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '{' || s[i+1] < 'a' {
			continue
		}
		end := i + strings.IndexByte(s[i:], '}')
		t.texts = append(t.texts, s[text:i])
		t.fields = append(t.fields, s[i+1:end])
		i, text = end, end+1
	}
	t.texts = append(t.texts, s[text:])
	return t
}

func (l *Logs) request() request {
	r := request{span: l.id(), id: l.uuid(), user: fmt.Sprintf("user-%06d", l.IntN(100_000)), tenant: l.IntN(200),
		path: fmt.Sprintf("/api/v1/%ss/%d/items", things[l.IntN(len(things))], l.IntN(500_000)),
		ip:   fmt.Sprintf("10.1.%d.%d", l.IntN(40), l.IntN(250)), status: 200 + 100*(l.IntN(100)/98)*3, pod: l.IntN(4)}
	binary.BigEndian.PutUint64(r.trace[:], l.Uint64())
	binary.BigEndian.PutUint64(r.trace[8:], l.Uint64())
	return r
}

// Batch makes the next request of 1,000 records.
func (l *Logs) Batch() *store.Batch {
	b := &store.Batch{Kind: store.Logs, Logs: make([]store.Log, 1000)}
	for i := range b.Logs {
		l.Now += uint64(l.ExpFloat64() * float64(time.Hour) / 2.5e6)
		b.Logs[i] = l.record()
	}
	return b
}

func (l *Logs) record() store.Log {
	at := l.IntN(len(l.requests))
	if l.IntN(5) == 0 {
		l.requests[at] = l.request()
	}
	r := &l.requests[at]
	svc := l.IntN(20)
	t := &l.templates[svc][l.IntN(10)]
	rec := store.Log{Resource: l.resources[svc][r.pod], Scope: &store.Scope{Name: t.logger},
		Time: l.Now, ObservedTime: l.Now + uint64(l.IntN(2_000_000)), SeverityNumber: t.severity, Body: store.StringValue(l.body(t, r))}
	if at%2 == 0 {
		rec.TraceID, rec.SpanID, rec.Flags = r.trace, r.span, 1
	}
	rec.Attrs = append(rec.Attrs, text("code.function.name", t.function), number("thread.id", int64(20+l.IntN(60))),
		text("thread.name", fmt.Sprintf("http-nio-8080-exec-%d", l.IntN(60))), text("app.tenant", fmt.Sprintf("tenant-%03d", r.tenant)),
		text("log.iostream", "stdout"), number("log.record.sequence", int64(l.Now/1_000_000)))
	switch l.IntN(3) {
	case 0:
		rec.Attrs = append(rec.Attrs, text("http.request.id", r.id), text("url.path", r.path), number("http.response.status_code", int64(r.status)))
	case 1:
		rec.Attrs = append(rec.Attrs, text("http.request.id", r.id), text("user.id", r.user), text("client.address", r.ip),
			store.Attr{Key: "elapsed.seconds", Value: store.DoubleValue(float64(l.IntN(1_000_000)) / 1e6)})
	}
	if l.IntN(100) == 0 {
		rec.SeverityNumber = 17
		rec.Body = store.StringValue(fmt.Sprintf("Request %s of %s failed: java.lang.IllegalStateException: no stock for %d\n%s", r.id, r.user, l.IntN(500_000), l.stack))
	}
	rec.SeverityText = map[int32]string{5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR"}[rec.SeverityNumber]
	return rec
}

// body fills a template in.
func (l *Logs) body(t *template, r *request) string {
	b := make([]byte, 0, 128)
	for i, f := range t.fields {
		b = append(b, t.texts[i]...)
		switch f {
		case "uuid":
			b = append(b, l.uuid()...)
		case "id":
			b = strconv.AppendInt(b, int64(l.IntN(5_000_000)), 10)
		case "ms":
			b = strconv.AppendInt(b, int64(1+l.ExpFloat64()*120), 10)
		case "n":
			b = strconv.AppendInt(b, int64(l.IntN(50_000)), 10)
		case "small":
			b = strconv.AppendInt(b, int64(1+l.IntN(32)), 10)
		case "status":
			b = strconv.AppendInt(b, int64(r.status), 10)
		case "user":
			b = append(b, r.user...)
		case "path":
			b = append(b, r.path...)
		case "ip":
			b = append(b, r.ip...)
		case "method":
			b = append(b, [...]string{"GET", "GET", "GET", "POST", "PUT"}[l.IntN(5)]...)
		}
	}
	return string(append(b, t.texts[len(t.texts)-1]...))
}

// Batches makes n records, rounded up to whole requests.
func (l *Logs) Batches(n int) (batches []*store.Batch) {
	for ; n > 0; n -= 1000 {
		batches = append(batches, l.Batch())
	}
	return batches
}
