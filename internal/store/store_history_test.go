package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// life is a store and the oracle that saw the same batches. A batch's payload
// is its number in batches, so that any record can be replayed.
type life struct {
	t       *testing.T
	random  *random
	disk    *vfs.Mem
	store   *store.Store
	oracle  storetest.Memory
	batches []*store.Batch
}

func (l *life) open() {
	l.t.Helper()
	o := store.NewDefaultOptions()
	o.FS = l.disk
	o.MaxAge, o.MaxBytes, o.SealRows = 0, 0, 700
	o.Decode = func(_ store.Kind, payload []byte) (*store.Batch, error) {
		i, err := strconv.Atoi(string(payload))
		if err != nil {
			return nil, err
		}
		return l.batches[i], nil
	}
	var err error
	if l.store, err = store.Open("data", o); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) append() {
	l.t.Helper()
	b := l.random.batch(pick(l.random, store.Spans, store.Logs), 1+l.random.IntN(300))
	b.Payload = []byte(strconv.Itoa(len(l.batches)))
	l.batches = append(l.batches, b)
	for {
		err := l.store.Append(l.t.Context(), b)
		var refused *store.OverloadError
		if errors.As(err, &refused) {
			<-time.After(refused.RetryAfter)
			continue
		}
		if err != nil {
			l.t.Fatal(err)
		}
		break
	}
	if err := l.oracle.Append(l.t.Context(), b); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) check() {
	l.t.Helper()
	ctx := context.Background()
	for _, q := range []store.Query{{}, l.random.query()} {
		unlimited := q
		unlimited.Limit, unlimited.OnePerTrace = 0, false
		compareAnswers(l.t, q, collect(l.t, l.store.Spans(ctx, q)), collect(l.t, l.oracle.Spans(ctx, q)),
			collect(l.t, l.oracle.Spans(ctx, unlimited)), spanText,
			func(s *store.Span) uint64 { return s.Start }, func(s *store.Span) store.TraceID { return s.TraceID })
		compareAnswers(l.t, q, collect(l.t, l.store.Logs(ctx, q)), collect(l.t, l.oracle.Logs(ctx, q)),
			collect(l.t, l.oracle.Logs(ctx, unlimited)), logText,
			(*store.Log).At, func(l *store.Log) store.TraceID { return l.TraceID })
	}
	id := l.random.traceID()
	got := sorted(texts(collect(l.t, l.store.Trace(ctx, id, nil)), spanText))
	want := sorted(texts(collect(l.t, l.oracle.Trace(ctx, id, nil)), spanText))
	if !slices.Equal(got, want) {
		l.t.Errorf("trace %s: got %d spans; want %d: %s", id, len(got), len(want), firstDifference(got, want))
	}
	fields := store.FieldQuery{Kind: pick(l.random, store.Spans, store.Logs), Field: store.Field{Place: store.AnyAttr}}
	gotKeys, wantKeys := collect(l.t, l.store.Keys(ctx, fields)), collect(l.t, l.oracle.Keys(ctx, fields))
	if !slices.Equal(gotKeys, wantKeys) {
		l.t.Errorf("keys %+v: got %v; want %v", fields, gotKeys, wantKeys)
	}
}

// A store that is flushed, closed, opened and cut off from power at random
// answers at every moment as a slice of all records does.
func TestLives(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &life{t: t, random: newRandom(seed), disk: vfs.NewMem(seed)}
				l.open()
				defer func() { l.store.Close() }()
				for step := range 40 {
					switch l.random.IntN(10) {
					case 3, 4:
						if err := l.store.Flush(t.Context()); err != nil {
							t.Fatal(err)
						}
						l.store.MergeSmall()
					case 0:
						if err := l.store.Flush(t.Context()); err != nil {
							t.Fatal(err)
						}
					case 1:
						l.store.Close()
						l.open()
					case 2:
						after := l.disk.Crash(seed + uint64(step))
						l.store.Close()
						l.disk = after
						l.open()
					default:
						l.append()
					}
					if step%4 == 0 {
						l.check()
					}
				}
				l.check()
			})
		})
	}
}
