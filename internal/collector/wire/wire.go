// Package wire carries store batches past the collector's plumbing.
//
// To decode a request into pdata costs more than to store it. Where all that a
// receiver feeds can do with a batch, package otlpreceiver therefore reads the
// request's bytes itself: the batch travels in the context, and what goes from
// component to component is a placeholder, which has as many records as the
// request and nothing in them. The exporter `store` takes the batch, and so do the
// connectors that are SpanBatches.
//
// Which receivers do so is decided by package collector from the resolved
// configuration, before anything is built.
//
// Invariants: every counter that the collector keeps of items is right, because
// the placeholder counts as the request does. A placeholder is read-only, and
// reaches no component that would look into it. A batch is its receiver's: who
// finds one in a context must not keep it, or parts of it, after returning.
package wire

import (
	"context"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// key is what the batch is found by in a context.
type key struct{}

// With returns a context that carries b beside its placeholder.
func With(ctx context.Context, b *store.Batch) context.Context {
	return context.WithValue(ctx, key{}, b)
}

// From returns the batch of kind k that ctx carries; nil when what is passed on
// is no placeholder.
func From(ctx context.Context, k store.Kind) *store.Batch {
	if b, ok := ctx.Value(key{}).(*store.Batch); ok && b.Kind == k {
		return b
	}
	return nil
}
