package store

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// Whoever asks while spans come in, blocks are sealed and merged, gets each span
// once: all that were acknowledged before, and none that were not sent.
func TestSumsWhileTheStoreWorks(t *testing.T) {
	o, _ := mergeOptions(vfs.NewMem(1))
	s := mustOpen(t, o)
	var sent, acked atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for asker := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(asker), 1))
			for {
				select {
				case <-done:
					return
				default:
				}
				q := SumQuery{Step: uint64(r.IntN(3)) * uint64(7*time.Minute), ByOperation: r.IntN(2) == 0, Report: &Report{}}
				least, sum := acked.Load(), int64(0)
				for got, err := range s.Sums(t.Context(), q) {
					if err != nil {
						t.Error(err)
						return
					}
					sum += int64(got.Count)
				}
				if most := sent.Load(); sum < least || sum > most {
					t.Errorf("%+v: got %d spans; want %d to %d", q, sum, least, most)
					return
				}
			}
		})
	}
	for id := range 250 {
		sent.Add(2)
		at := testDay.Add(time.Duration(id*id%600) * time.Minute / 4)
		mustAppend(t, s, testBatch(Spans, at, 2*id, 2*id+1))
		acked.Add(2)
		if id%5 == 0 {
			mustFlush(t, s)
		}
		if id%20 == 0 {
			s.mergeSmall()
		}
	}
	close(done)
	wg.Wait()
	if st := s.Stats(); st.Spans.Blocks > 100 {
		t.Errorf("got %d blocks; want merged ones", st.Spans.Blocks)
	}
}
