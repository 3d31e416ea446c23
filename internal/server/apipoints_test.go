package server

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Binary points are those of JSON, and are not compressed.
func TestBinaryPoints(t *testing.T) {
	type points struct {
		Start     string   `json:"start"`
		Offsets   []uint64 `json:"offsetsMicros"`
		Durations []uint64 `json:"durationsNanos"`
		Failed    []int    `json:"failed"`
		More      bool     `json:"more"`
	}
	s := ownServer(t)
	var want points
	if err := json.Unmarshal(get(t, s, apiPrefix+"traces/points").Body.Bytes(), &want); err != nil || len(want.Durations) < 2 || len(want.Failed) == 0 {
		t.Fatalf("got %+v, %v; want some that failed", want, err)
	}
	w := get(t, s, apiPrefix+"traces/points?format=binary", "Accept-Encoding", "gzip")
	if w.Code != 200 || w.Header().Get("Content-Type") != binaryType || w.Header().Get("Content-Encoding") != "" {
		t.Fatalf("got %d %v: %s", w.Code, w.Header(), w.Body)
	}
	body := w.Body.Bytes()
	next := func() uint32 {
		n := binary.LittleEndian.Uint32(body)
		body = body[4:]
		return n
	}
	length := next()
	var head struct {
		Start         string
		StepNanos     uint64
		Count, Failed int
		More          bool
	}
	if err := json.Unmarshal(body[:length], &head); err != nil || length%4 != 0 {
		t.Fatalf("reading the head of %d bytes: %v", length, err)
	}
	body = body[length:]
	got := points{Start: head.Start, More: head.More}
	for range head.Count {
		got.Offsets = append(got.Offsets, uint64(next())*head.StepNanos/1000)
	}
	for range head.Count {
		got.Durations = append(got.Durations, uint64(math.Float32frombits(next())))
	}
	for range head.Failed {
		got.Failed = append(got.Failed, int(next()))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(body) > 0 {
		t.Errorf("%d bytes are left; -json +binary:\n%s", len(body), diff)
	}
}
