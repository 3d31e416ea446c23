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

// since is what was counted after an earlier state of the same counts.
func (d Durations) since(earlier Durations) Durations {
	out := Durations{}
	for bucket, n := range d {
		if before := earlier[bucket]; n > before {
			out[bucket] = n - before
		}
	}
	return out
}

// TaskStats are the results of one task.
type TaskStats struct {
	Name      string            `json:"name"`
	Count     uint64            `json:"count"`
	Failures  uint64            `json:"failures"`
	Durations Durations         `json:"durations"`
	Sum       time.Duration     `json:"sum"` // of all durations
	Min       time.Duration     `json:"min"` // 0 of none
	Max       time.Duration     `json:"max"`
	Kinds     map[string]uint64 `json:"kinds,omitempty"` // failures by what went wrong
}

// Mean is the mean duration, 0 of none.
func (t TaskStats) Mean() time.Duration {
	if t.Count == 0 {
		return 0
	}
	return t.Sum / time.Duration(t.Count)
}

// Snapshot is the results of all tasks until now.
type Snapshot struct {
	Users  int `json:"users"`  // that are running
	Target int `json:"target"` // that there are to be; 0 when the load is stopped
	Peak   int `json:"peak"`   // most users at once
	// Began is when counting began: at the start, or when it was reset.
	Began time.Time `json:"began"`
	// Elapsed is the time since then without that when the load was stopped,
	// and Ran the same since the load was last started.
	Elapsed time.Duration `json:"elapsed"`
	Ran     time.Duration `json:"ran"`
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
	rate, first := 0.0, true
	for _, s := range all {
		sum.Users += s.Users
		sum.Peak += s.Peak
		for n := range sum.Tasks {
			if n < len(s.Tasks) {
				sum.Tasks[n].merge(s.Tasks[n])
			}
		}
		if s.Users == 0 && s.FullElapsed == 0 {
			continue // it has no users: there are fewer of them than workers
		}
		rate += s.FullRate()
		if first || s.FullElapsed < sum.FullElapsed {
			sum.FullElapsed, first = s.FullElapsed, false
		}
	}
	sum.Full = uint64(rate * sum.FullElapsed.Seconds())
	return sum
}

func (t *TaskStats) merge(other TaskStats) {
	if other.Count > 0 && (t.Count == 0 || other.Min < t.Min) {
		t.Min = other.Min
	}
	t.Max = max(t.Max, other.Max)
	t.Sum += other.Sum
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

// stopwatch adds up the times between run and stop. Its zero value stands.
type stopwatch struct {
	before time.Duration
	since  time.Time // zero while it stands
}

func (w *stopwatch) run(now time.Time) {
	if w.since.IsZero() {
		w.since = now
	}
}

func (w *stopwatch) stop(now time.Time) { *w = stopwatch{before: w.elapsed(now)} }

// reset sets it to 0; when it runs it goes on.
func (w *stopwatch) reset(now time.Time) {
	w.before = 0
	if !w.since.IsZero() {
		w.since = now
	}
}

func (w *stopwatch) elapsed(now time.Time) time.Duration {
	if w.since.IsZero() {
		return w.before
	}
	return w.before + now.Sub(w.since)
}

// clocks measure how long the users of a load were wanted: ran since it was last
// started, elapsed since its counts were reset.
type clocks struct {
	began        time.Time // counting
	elapsed, ran stopwatch
}

// want has the clocks run while there are to be users; a start begins a new run.
func (c *clocks) want(users int, now time.Time) {
	switch {
	case users == 0:
		c.elapsed.stop(now)
		c.ran.stop(now)
	case c.ran.since.IsZero():
		c.elapsed.run(now)
		c.ran = stopwatch{since: now}
	}
}

func (c *clocks) reset(now time.Time) {
	c.began = now
	c.elapsed.reset(now)
}

// show writes the clocks into a snapshot.
func (c *clocks) show(s *Snapshot, now time.Time) {
	s.Began, s.Elapsed, s.Ran = c.began, c.elapsed.elapsed(now), c.ran.elapsed(now)
}

// recorder counts while users run.
type recorder struct {
	mu       sync.Mutex
	names    []string
	tasks    []TaskStats
	clocks   clocks
	users    int
	target   int
	peak     int
	full     stopwatch // runs, or has run, while all users did
	fullFrom uint64    // tasks done until then
	total    uint64
}

func newRecorder(tasks []Task) *recorder {
	r := &recorder{}
	for _, t := range tasks {
		r.names = append(r.names, t.Name)
	}
	r.reset(time.Now())
	return r
}

// reset forgets what was counted.
func (r *recorder) reset(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks, r.total, r.fullFrom, r.peak = nil, 0, 0, r.users
	for _, name := range r.names {
		r.tasks = append(r.tasks, TaskStats{Name: name, Durations: Durations{}, Kinds: map[string]uint64{}})
	}
	r.clocks.reset(now)
	r.full.reset(now)
}

// done counts a task that began then and took d; failure is "" when it
// succeeded. One that began before the counts were reset is none of them.
func (r *recorder) done(task int, began time.Time, d time.Duration, failure string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if began.Before(r.clocks.began) {
		return
	}
	t := &r.tasks[task]
	if t.Count == 0 || d < t.Min {
		t.Min = d
	}
	t.Max = max(t.Max, d)
	t.Sum += d
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
	now := time.Now()
	r.clocks.want(target, now)
	if target == 0 {
		r.full.stop(now)
	} else if users != target || target != r.target {
		r.full = stopwatch{}
	}
	if users == target && target > 0 && r.full.since.IsZero() {
		r.full, r.fullFrom = stopwatch{since: now}, r.total
	}
	r.users, r.target, r.peak = users, target, max(r.peak, users)
}

// left is how long the run may go on that is to take runTime; 0 is for ever, and
// so is a run that is stopped.
func (r *recorder) left(runTime time.Duration) (left time.Duration, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if runTime == 0 || r.target == 0 {
		return math.MaxInt64, false
	}
	left = runTime - r.clocks.ran.elapsed(time.Now())
	return left, left <= 0
}

func (r *recorder) snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	s := Snapshot{Users: r.users, Target: r.target, Peak: r.peak}
	r.clocks.show(&s, now)
	for _, t := range r.tasks {
		t.Durations, t.Kinds = maps.Clone(t.Durations), maps.Clone(t.Kinds)
		s.Tasks = append(s.Tasks, t)
	}
	if full := r.full.elapsed(now); full > 0 {
		s.Full, s.FullElapsed = r.total-r.fullFrom, full
	}
	return s
}
