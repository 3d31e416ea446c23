package store

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// crashModel is what a store may hold after a crash: each record that was
// acknowledged once, none that was refused, others at most once.
type crashModel struct {
	lossy   bool // SyncInterval: what was acknowledged may be lost, visibly
	mu      sync.Mutex
	next    int
	acked   [2]map[int]bool // by kind: spans, logs
	refused [2]map[int]bool
}

func newCrashModel() *crashModel {
	return &crashModel{acked: [2]map[int]bool{{}, {}}, refused: [2]map[int]bool{{}, {}}}
}

// append sends n batches at once and notes the answers.
func (m *crashModel) append(s *Store, k Kind, n int) {
	var wg sync.WaitGroup
	for range n {
		m.mu.Lock()
		ids := []int{m.next + 1, m.next + 2, m.next + 3}
		m.next += 3
		m.mu.Unlock()
		wg.Go(func() {
			err := s.Append(context.Background(), testBatch(k, testDay, ids...))
			var refused *OverloadError
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, id := range ids {
				switch {
				case err == nil:
					m.acked[k-1][id] = true
				case errors.As(err, &refused):
					m.refused[k-1][id] = true
				}
			}
		})
	}
	wg.Wait()
}

// check compares what a reopened store holds with the model.
func (m *crashModel) check(t *testing.T, s *Store, when string) {
	t.Helper()
	for i, k := range kinds {
		seen := map[int]int{}
		for _, id := range idsOf(t, s, k) {
			seen[id]++
			if seen[id] > 1 {
				t.Errorf("%s: record %d of %s is there twice", when, id, k)
			}
			if m.refused[i][id] {
				t.Errorf("%s: record %d of %s was refused but is there", when, id, k)
			}
			// From now on it has to stay.
			m.acked[i][id] = true
		}
		for id := range m.acked[i] {
			if seen[id] == 0 && !m.lossy {
				t.Errorf("%s: record %d of %s was acknowledged but is lost", when, id, k)
			}
		}
	}
	if st := s.Stats(); st.Quarantined != 0 && !m.lossy {
		t.Errorf("%s: %d files set aside; a crash is no corruption", when, st.Quarantined)
	}
}

// crashPlan is what happens to a store.
type crashPlan struct {
	seed    uint64
	sync    SyncMode
	failAt  int  // operation of the file layer
	forever bool // all later ones too
	steps   int  // before the power is cut, of crashSteps
}

const crashSteps = 16

// run works on a store to which the plan happens, and looks at what is there
// afterwards. It reports whether the run was over before operation failAt.
func (p crashPlan) run(t *testing.T) (over bool) {
	mem := vfs.NewMem(p.seed)
	rng := rand.New(rand.NewPCG(p.seed, uint64(p.failAt)))
	model := newCrashModel()
	model.lossy = p.sync == SyncInterval
	boom := syscall.EIO
	if rng.IntN(3) == 0 {
		boom = syscall.ENOSPC
	}
	mem.FailAt(p.failAt, p.forever, boom)
	o := testOptions(mem)
	o.Sync = p.sync
	o.Now = func() time.Time { return testDay.Add(24 * time.Hour) } // the day is over
	var s *Store
	for step := range p.steps {
		if s == nil {
			var err error
			if s, err = Open("data", o); err != nil {
				continue
			}
		}
		switch step {
		case 3, 5, 7, 8, 10:
			s.Flush(context.Background())
		case 6, 11:
			s.Close()
			s = nil
		case 9, 14:
			s.mergeSmall()
		case 12:
			model.append(s, Logs, 9)
		default:
			model.append(s, Spans, 1+rng.IntN(4))
			model.append(s, Logs, rng.IntN(2))
			if p.sync == SyncInterval {
				<-time.After(syncInterval * time.Duration(rng.IntN(3)) / 2)
			}
		}
	}
	after := mem.Crash(p.seed)
	// mem.Crash comes before Failed: what fails later did not matter.
	over = !mem.Failed()
	if s != nil {
		s.Close()
	}
	o.FS, o.Sync = after, SyncGroup
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s = mustOpen(t, o)
	model.check(t, s, "after the crash")
	model.append(s, Spans, 3)
	model.append(s, Logs, 3)
	after = after.Crash(p.seed + 1)
	s.Close()
	o.FS = after
	s = mustOpen(t, o)
	model.check(t, s, "after the second crash")
	s.Close()
	return over
}

// The promise of the package: whichever operation of the file layer fails, and
// whatever of the unsynced bytes and names a power cut takes, all that was
// acknowledged is there, once. With SyncInterval it may not all be there, but
// nothing twice, and the store opens.
func TestEveryFailureAndCrashKeepsWhatWasAcknowledged(t *testing.T) {
	const base = 20261120
	for _, plan := range []crashPlan{{}, {forever: true}, {sync: SyncInterval}, {sync: SyncInterval, forever: true}} {
		plan.seed = base
		for over := false; !over && !t.Failed(); plan.failAt++ {
			plan.seed++
			synctest.Test(t, func(t *testing.T) {
				plan.steps = crashSteps
				over = plan.run(t)
				if !t.Failed() {
					plan.steps = int(plan.seed % crashSteps)
					plan.run(t)
				}
				if t.Failed() {
					t.Logf("failed with %+v", plan)
				}
			})
		}
		t.Logf("sync %s, failing for ever: %v: %d operations", plan.sync, plan.forever, plan.failAt-1)
	}
}

// With SyncInterval a power cut takes at most what was acknowledged in the last
// 100 ms, and that is no corruption.
func TestPowerCutWithSyncInterval(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem(seed)
			rng := rand.New(rand.NewPCG(seed, 3))
			model := newCrashModel()
			o := testOptions(mem)
			o.Sync = SyncInterval
			s := mustOpen(t, o)
			for range rng.IntN(10) {
				model.append(s, Spans, 1+rng.IntN(3))
				model.append(s, Logs, rng.IntN(2))
			}
			<-time.After(syncInterval)
			synctest.Wait()
			kept := [2]map[int]bool{maps.Clone(model.acked[0]), maps.Clone(model.acked[1])}
			for range rng.IntN(6) {
				model.append(s, Spans, 1+rng.IntN(3))
				model.append(s, Logs, rng.IntN(2))
			}
			o.FS = mem.Crash(seed)
			model.acked = kept
			s.Close()
			s = mustOpen(t, o)
			model.check(t, s, "after the crash")
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What Open finds may be in the page cache only, after a sync that failed: it
// must not remove what the manifest on the disk still counts on.
func TestPowerCutRightAfterOpening(t *testing.T) {
	run := func(t *testing.T, failAt int, seed uint64) (over bool) {
		mem := vfs.NewMem(seed)
		o, _ := mergeOptions(mem)
		s := withSmallBlocks(t, o, 4)
		mustAppend(t, s, testBatch(Spans, testDay, 9), testBatch(Logs, testDay, 10))
		mem.FailAt(failAt, false, syscall.EIO)
		s.Flush(t.Context())
		s.mergeSmall()
		over = !mem.Failed()
		s.Close()
		s = mustOpen(t, o)
		after := mem.Crash(seed)
		s.Close()
		o.FS = after
		s = mustOpen(t, o)
		wantSmall(t, s, 5)
		s.Close()
		return over
	}
	for failAt, over := 0, false; !over && !t.Failed(); failAt++ {
		for seed := range uint64(3) {
			synctest.Test(t, func(t *testing.T) {
				over = run(t, failAt, seed)
				if t.Failed() {
					t.Logf("failed at operation %d with seed %d", failAt, seed)
				}
			})
		}
	}
}
