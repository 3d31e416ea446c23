package ledger

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
)

// What comes out later than it came in is not lost; what never does is, once it
// is surely decided, and never more than that.
func TestLagNeverCountsTooMuch(t *testing.T) {
	l := New()
	now := time.Unix(1000, 0)
	l.now = func() time.Time { return now }
	b := l.book(component.KindProcessor, component.NewID(tailSampling), "traces")
	b.lag = &lag{book: b, hold: 10 * time.Second}
	l.lags[b.account] = b.lag
	dropped := func() int64 {
		for _, a := range l.Accounts() {
			return a.Items
		}
		return 0
	}
	in, out := 0, 0
	for second := range 100 {
		if second < 60 {
			for range 10 {
				b.lag.came(1)
			}
			in += 10
		}
		if second >= 5 && second < 65 { // half of them come out after 5 s
			b.lag.went(5)
			out += 5
		}
		if got, most := dropped(), int64(max(0, (second-4)*5)); got > most {
			t.Fatalf("after %d s: %d dropped; the sampler has dropped %d", second, got, most)
		}
		now = now.Add(time.Second)
	}
	if got, want := dropped(), int64(in-out); got != want {
		t.Errorf("at last %d dropped; want %d", got, want)
	}
	if n := len(b.lag.in); n != 0 {
		t.Errorf("%d moments are kept", n)
	}
}
