package load

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// maxFailureKinds bounds how many different failures are told apart.
const maxFailureKinds = 20

// growth is how much longer a duration of one bucket is than of the one before:
// percentiles are right to one percent.
const growth = 1.02

// Durations counts durations by logarithmic buckets, so that counts of several
// workers add up and memory does not grow with the number of requests.
type Durations map[int]uint64

func (d Durations) add(v time.Duration) { d[bucketOf(v)]++ }

func bucketOf(v time.Duration) int {
	us := max(float64(v.Nanoseconds())/1e3, 1)
	return int(math.Log(us) / math.Log(growth))
}

// Quantile is the duration that the share q of all does not exceed, 0 of none.
func (d Durations) Quantile(q float64) time.Duration {
	var total uint64
	for _, n := range d {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank, seen := uint64(math.Ceil(q*float64(total))), uint64(0)
	for _, bucket := range slices.Sorted(maps.Keys(d)) {
		seen += d[bucket]
		if seen >= rank {
			return time.Duration(math.Pow(growth, float64(bucket)+0.5) * 1e3)
		}
	}
	return 0
}

// TaskStats are the results of one task.
type TaskStats struct {
	Name      string            `json:"name"`
	Count     uint64            `json:"count"`
	Failures  uint64            `json:"failures"`
	Durations Durations         `json:"durations"`
	Kinds     map[string]uint64 `json:"kinds,omitempty"` // failures by what went wrong
}

// Snapshot is the results of all tasks until now.
type Snapshot struct {
	Users   int           `json:"users"` // that are running
	Elapsed time.Duration `json:"elapsed"`
	Tasks   []TaskStats   `json:"tasks"`
	// Full counts what was done, and the time it took, since all users were
	// running: the ramp before says nothing about the rate.
	Full        uint64        `json:"full"`
	FullElapsed time.Duration `json:"full_elapsed"`
}

// Total adds up all tasks.
func (s Snapshot) Total() TaskStats {
	all := TaskStats{Name: "all", Durations: Durations{}, Kinds: map[string]uint64{}}
	for _, t := range s.Tasks {
		all.merge(t)
	}
	return all
}

// FullRate is tasks per second since all users were running, 0 before that.
func (s Snapshot) FullRate() float64 {
	if s.FullElapsed < time.Second {
		return 0
	}
	return float64(s.Full) / s.FullElapsed.Seconds()
}

// merged adds up the results of several workers. Their rates with all users
// there add up over the time that all of them had.
func merged(tasks []Task, all []Snapshot) Snapshot {
	var sum Snapshot
	for _, t := range tasks {
		sum.Tasks = append(sum.Tasks, TaskStats{Name: t.Name, Durations: Durations{}, Kinds: map[string]uint64{}})
	}
	rate := 0.0
	for i, s := range all {
		sum.Users += s.Users
		for n := range sum.Tasks {
			if n < len(s.Tasks) {
				sum.Tasks[n].merge(s.Tasks[n])
			}
		}
		rate += s.FullRate()
		if i == 0 || s.FullElapsed < sum.FullElapsed {
			sum.FullElapsed = s.FullElapsed
		}
	}
	sum.Full = uint64(rate * sum.FullElapsed.Seconds())
	return sum
}

func (t *TaskStats) merge(other TaskStats) {
	t.Count += other.Count
	t.Failures += other.Failures
	for bucket, n := range other.Durations {
		t.Durations[bucket] += n
	}
	for kind, n := range other.Kinds {
		t.fail(kind, n)
	}
}

func (t *TaskStats) fail(kind string, n uint64) {
	if _, known := t.Kinds[kind]; !known && len(t.Kinds) >= maxFailureKinds {
		kind = "other failures"
	}
	t.Kinds[kind] += n
}

// recorder counts while users run.
type recorder struct {
	mu       sync.Mutex
	tasks    []TaskStats
	start    time.Time
	users    int
	fullAt   time.Time // zero until all users run
	fullFrom uint64    // tasks done until then
	total    uint64
}

func newRecorder(tasks []Task) *recorder {
	r := &recorder{start: time.Now()}
	for _, t := range tasks {
		r.tasks = append(r.tasks, TaskStats{Name: t.Name, Durations: Durations{}, Kinds: map[string]uint64{}})
	}
	return r
}

// done counts a task that took d; failure is "" when it succeeded.
func (r *recorder) done(task int, d time.Duration, failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tasks[task]
	t.Count++
	r.total++
	t.Durations.add(d)
	if failure != "" {
		t.Failures++
		t.fail(failure, 1)
	}
}

// running notes how many users run of those there are to be.
func (r *recorder) running(users, target int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users = users
	if users == target && r.fullAt.IsZero() {
		r.fullAt, r.fullFrom = time.Now(), r.total
	} else if users != target {
		r.fullAt = time.Time{}
	}
}

func (r *recorder) snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Snapshot{Users: r.users, Elapsed: time.Since(r.start)}
	for _, t := range r.tasks {
		t.Durations, t.Kinds = maps.Clone(t.Durations), maps.Clone(t.Kinds)
		s.Tasks = append(s.Tasks, t)
	}
	if !r.fullAt.IsZero() {
		s.Full, s.FullElapsed = r.total-r.fullFrom, time.Since(r.fullAt)
	}
	return s
}
