package ledger

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
)

// book writes the accounts of one component and signal.
type book struct {
	ledger  *Ledger
	account Account // kind, component and signal
	// unheard is what becomes of items that a component could not pass on when
	// the one before it does not hear of it.
	unheard Outcome
	// leaves is why items that go into the component do not come out in the same
	// call; "" when that is no loss.
	leaves string
	// lag is for a component that leaves items out later; nil for others.
	lag *lag
}

func (l *Ledger) book(kind component.Kind, id component.ID, signal string) *book {
	b := &book{ledger: l, account: Account{Component: id.String(), Signal: signal}, unheard: Failed}
	switch kind {
	case component.KindReceiver:
		b.account.Kind, b.unheard = "receiver", Refused
	case component.KindProcessor:
		b.account.Kind = "processor"
	case component.KindExporter:
		b.account.Kind = "exporter"
	case component.KindConnector:
		b.account.Kind = "connector"
	}
	return b
}

func (b *book) add(outcome Outcome, items int, err error) {
	b.addFor(outcome, reasonOf(err), items, err)
}

func (b *book) addFor(outcome Outcome, reason string, items int, err error) {
	key := b.account
	key.Outcome, key.Reason = outcome, reason
	b.ledger.add(key, items, err)
}

// passage is one call of a component, from the call that gives it data to the
// calls that it makes on behalf of it. They meet by the context.
type passage struct {
	mu     sync.Mutex
	passed int   // items that it gave to the next
	lost   int   // those that the next did not take
	err    error // why
}

// inward watches what a component is given, and what it answers.
func inward[T any](b *book, size func(T) int, consume func(context.Context, T) error) func(context.Context, T) error {
	return func(ctx context.Context, data T) error {
		items := size(data) // now: the component may change it
		p := new(passage)
		if b.lag != nil {
			b.lag.came(items)
		}
		err := consume(context.WithValue(ctx, b, p), data)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case err != nil && p.err == nil:
			b.add(Refused, items, err)
		case err == nil && p.err != nil: // the component kept it to itself
			b.add(Failed, p.lost, p.err)
		case err == nil && b.leaves != "":
			b.addFor(Dropped, b.leaves, items-p.passed, nil)
		}
		return err
	}
}

// outward watches what a component gives to the next one.
func outward[T any](b *book, size func(T) int, consume func(context.Context, T) error) func(context.Context, T) error {
	return func(ctx context.Context, data T) error {
		items := size(data)
		err := consume(ctx, data)
		if b.lag != nil {
			b.lag.went(items)
		}
		p, within := ctx.Value(b).(*passage)
		if !within {
			if err != nil {
				b.add(b.unheard, items, err)
			}
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.passed += items
		if err != nil {
			p.lost += items
			p.err = err
		}
		return err
	}
}
