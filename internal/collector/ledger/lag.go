package ledger

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

// lag counts what a component that decides later leaves out: what went in so
// long ago that it is decided, less what has come out. What came out of later
// items makes the result too small for a while, never too large.
type lag struct {
	book *book
	hold time.Duration // until an item is surely decided

	mu      sync.Mutex
	in      []moment // not yet surely decided, oldest first
	decided int      // items that went in before
	out     int
	booked  int
}

// moment is items that went in until then, from the moment before on.
type moment struct {
	until time.Time
	items int
}

// resolution is how far a moment reaches: it bounds their number.
const resolution = time.Second

// margin is for the sampler's own clock, which ticks once a second, and for what
// stands before its decisions.
const margin = 5 * time.Second

// tailSampling is the type of processor that decides later.
var tailSampling = component.MustNewType("tail_sampling")

// lagging lets what a tail sampler leaves out be counted; it replaces the count of
// the one before it.
func (l *Ledger) lagging(b *book, cfg component.Config) {
	conf := confmap.New()
	if conf.Marshal(cfg) != nil {
		return
	}
	wait, ok := conf.Get("decision_wait").(time.Duration)
	if !ok {
		return
	}
	b.lag = &lag{book: b, hold: wait + margin}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lags[b.account] = b.lag
}

func (g *lag) came(items int) {
	now := g.book.ledger.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.in); n > 0 && now.Sub(g.in[n-1].until) < resolution {
		g.in[n-1].items += items
		return
	}
	g.in = append(g.in, moment{now.Add(resolution), items})
}

func (g *lag) went(items int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out += items
}

// settle books what is surely left out.
func (g *lag) settle() {
	now := g.book.ledger.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for n < len(g.in) && now.Sub(g.in[n].until) > g.hold {
		g.decided += g.in[n].items
		n++
	}
	g.in = slices.Delete(g.in, 0, n)
	if lost := g.decided - g.out; lost > g.booked {
		g.book.addFor(Dropped, Sampled, lost-g.booked, nil)
		g.booked = lost
	}
}
