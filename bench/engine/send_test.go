package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/bench/otlp"
)

// reluctant takes a request only when it comes for the third time, and then all
// records but one.
type reluctant struct {
	asked int
	after time.Duration
}

func (r *reluctant) Export(context.Context, otlp.Signal, []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	if r.asked++; r.asked%3 != 0 {
		return 0, &otlp.RetryError{After: r.after}
	}
	return 1, nil
}

func (*reluctant) Close() error { return nil }

// Requests that are told to come later come again, and only what is acknowledged
// counts.
func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 2
		from := func() *outgoing {
			if left--; left < 0 {
				return nil
			}
			return &outgoing{100, nothing}
		}
		d, err := send(t.Context(), otlp.Traces, from, []otlp.Connection{&reluctant{after: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		if d.acknowledged != 198 || d.refused != 4 || d.slowest() != 10*time.Millisecond {
			t.Errorf("got %d acknowledged, %d refused, slowest %s; want 198, 4, 10ms", d.acknowledged, d.refused, d.slowest())
		}
		if want := 2 * (2*time.Second + 30*time.Millisecond); d.elapsed != want {
			t.Errorf("sending took %s; want %s", d.elapsed, want)
		}
	})
}

// What a receiver turns down for good ends the run.
func TestSendRefused(t *testing.T) {
	want := errors.New("400 Bad Request")
	from := func() *outgoing { return &outgoing{1, nothing} }
	_, err := send(t.Context(), otlp.Traces, from, []otlp.Connection{refusing{want}})
	if !errors.Is(err, want) {
		t.Errorf("got error %v; want %v", err, want)
	}
}

func nothing(buffer []byte) ([]byte, error) { return buffer, nil }

// refusing takes nothing.
type refusing struct{ err error }

func (r refusing) Export(context.Context, otlp.Signal, []byte) (int, error) { return 0, r.err }

func (refusing) Close() error { return nil }
