package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// nanos is a time in Unix nanoseconds; in JSON it is text, because JavaScript
// has no integers of that size.
type nanos uint64

func nanosOf(t time.Time) nanos { return nanos(t.UnixNano()) }

// MarshalText gives the decimal digits.
func (n nanos) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(n), 10), nil }

// encodeJSON encodes v as one line.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// writeJSON answers with v. An error means that nothing was written.
func writeJSON(w http.ResponseWriter, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client may be gone: nobody to tell
	return nil
}

// listEnd is what follows a streamed list.
type listEnd struct {
	Next   string       `json:"next,omitempty"` // cursor of the next page
	Report reportAnswer `json:"report"`
	// Error says why the list broke off; the report is then partial.
	Error *problem `json:"error,omitempty"`
}

// flushAfter is how long a written item may wait for the ones behind it.
const flushAfter = 100 * time.Millisecond

// listWriter writes {head..., "name": [items...], end...}. What it writes to a
// client that is gone is lost; the end of the request's context ends the reading.
type listWriter struct {
	w       http.ResponseWriter
	begun   bool
	items   int
	flushed time.Time
}

// begin writes what comes before the items; head is an object or nil. An error
// means that nothing was written.
func (l *listWriter) begin(head any, name string) error {
	open := []byte("{")
	if head != nil {
		encoded, err := encodeJSON(head)
		if err != nil {
			return err
		}
		open = append(bytes.TrimSuffix(encoded, []byte("}\n")), ',')
	}
	l.begun, l.flushed = true, time.Now()
	l.w.Header().Set("Content-Type", "application/json")
	_, _ = l.w.Write(open)
	_, _ = io.WriteString(l.w, strconv.Quote(name)+":[")
	return nil
}

func (l *listWriter) item(encoded []byte) {
	if l.items > 0 {
		_, _ = io.WriteString(l.w, ",")
	}
	l.items++
	_, _ = l.w.Write(encoded)
	if now := time.Now(); now.Sub(l.flushed) > flushAfter {
		l.flushed = now
		_ = http.NewResponseController(l.w).Flush()
	}
}

func (l *listWriter) end(tail listEnd) {
	encoded, err := encodeJSON(tail)
	if err != nil {
		panic(fmt.Sprintf("encoding the end of a list: %v", err)) // these types always encode
	}
	_, _ = l.w.Write(append([]byte("],"), encoded[1:]...))
}

// streamList answers with a list while its items are read. An error of the first
// item is returned before anything is written; one of a later item becomes the
// last field, because the status is out already. end is called when all items
// were read.
func (s *Server) streamList(ctx context.Context, w http.ResponseWriter, head any, name string, items iter.Seq2[any, error], report *store.Report, end func() listEnd) error {
	list := listWriter{w: w}
	var broken *problem
	for item, err := range items {
		var encoded []byte
		if err == nil {
			encoded, err = encodeJSON(item)
		}
		if err == nil && !list.begun {
			err = list.begin(head, name)
		}
		if err != nil && !list.begun {
			return err
		}
		if err != nil {
			broken = problemOf(err)
			break
		}
		list.item(encoded)
	}
	if !list.begun {
		if err := list.begin(head, name); err != nil {
			return err
		}
	}
	tail := end()
	tail.Report, tail.Error = s.report(ctx, report), broken
	tail.Report.Partial = tail.Report.Partial || broken != nil
	list.end(tail)
	if broken != nil && broken.Status == http.StatusInternalServerError {
		s.deps.Logger.Error("answer broke off", "error", broken.Message)
	}
	return nil
}
