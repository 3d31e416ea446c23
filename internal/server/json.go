package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// nanos is a time in Unix nanoseconds; in JSON it is text, because JavaScript
// has no integers of that size.
type nanos uint64

func nanosOf(t time.Time) nanos { return nanos(t.UnixNano()) }

// MarshalText gives the decimal digits.
func (n nanos) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(n), 10), nil }

// writeJSON answers with v. An error means that nothing was written.
func writeJSON(w http.ResponseWriter, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(buf.Bytes()) // the client may be gone: nobody to tell
	return nil
}
