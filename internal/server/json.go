package server

import (
	"bytes"
	"encoding/json"
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

// streamList answers {head..., "name": [items...], end...} while items are
// read. head is an object or nil. An error of the first item is returned before
// anything is written; one of a later item becomes the last field, because the
// status is out already. end is called when all items were read.
func (s *Server) streamList(w http.ResponseWriter, head any, name string, items iter.Seq2[any, error], report *store.Report, end func() listEnd) error {
	begin := func() error {
		open := []byte("{")
		if head != nil {
			encoded, err := encodeJSON(head)
			if err != nil {
				return err
			}
			open = append(bytes.TrimSuffix(encoded, []byte("}\n")), ',')
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(open) // here and below: a client that is gone ends the request's context
		_, _ = io.WriteString(w, strconv.Quote(name)+":[")
		return nil
	}
	begun, last := false, time.Now()
	var broken *problem
	for item, err := range items {
		var encoded []byte
		if err == nil {
			encoded, err = encodeJSON(item)
		}
		if err == nil && !begun {
			err = begin()
		}
		if err != nil && !begun {
			return err
		}
		if err != nil {
			broken = problemOf(err)
			break
		}
		if begun {
			_, _ = io.WriteString(w, ",")
		}
		begun = true
		_, _ = w.Write(encoded)
		if now := time.Now(); now.Sub(last) > flushAfter {
			last = now
			_ = http.NewResponseController(w).Flush()
		}
	}
	if !begun {
		if err := begin(); err != nil {
			return err
		}
	}
	tail := end()
	tail.Report, tail.Error = reportOf(report), broken
	tail.Report.Partial = tail.Report.Partial || broken != nil
	encoded, err := encodeJSON(tail)
	if err != nil {
		panic(http.ErrAbortHandler) // unreachable: these types always encode
	}
	_, _ = w.Write(append([]byte("],"), encoded[1:]...))
	if broken != nil && broken.Status == http.StatusInternalServerError {
		s.deps.Logger.Error("answer broke off", "error", broken.Message)
	}
	return nil
}
