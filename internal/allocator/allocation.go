package allocator

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	// pickUp is how long a Prometheus receiver takes from hearing of a target
	// to having it in its scrape loop: its discovery and its scrape manager each
	// wait up to 5 s.
	pickUp = 10 * time.Second
	// longestHandover ends a handover whose new collector does not ask, because
	// it asks another replica of the allocator.
	longestHandover = 2 * time.Minute
)

// Allocation says which collector scrapes what. Its methods may be called
// concurrently.
type Allocation struct {
	strategy, fallback string
	now                func() time.Time

	mu         sync.Mutex
	collectors []Collector // sorted by name
	entries    []*entry    // sorted as their targets are
}

// entry is a target and who scrapes it.
type entry struct {
	*target
	owner string // "" for none
	// leaving is the collector that the target moves away from, which scrapes it
	// until the handover is over; "" for none.
	leaving string
	moved   time.Time // when leaving was set
	taken   time.Time // when owner first asked after that; zero before
}

// handingOver reports whether the old collector still scrapes the target.
func (e *entry) handingOver(now time.Time) bool {
	switch {
	case e.leaving == "":
		return false
	case e.owner == "":
		return true
	case e.taken.IsZero():
		return now.Before(e.moved.Add(longestHandover))
	}
	return now.Before(e.taken.Add(pickUp + e.interval))
}

func newAllocation(strategy, fallback string, now func() time.Time) *Allocation {
	return &Allocation{strategy: strategy, fallback: fallback, now: now}
}

// SetTargets says what is to be scraped; it keeps targets.
func (a *Allocation) SetTargets(targets []*target) {
	targets = sortTargets(targets)
	a.mu.Lock()
	defer a.mu.Unlock()
	entries := make([]*entry, len(targets))
	old := a.entries
	for i, t := range targets {
		for len(old) > 0 && compareTargets(old[0].target, t) < 0 {
			old = old[1:]
		}
		entries[i] = &entry{target: t}
		if len(old) > 0 && compareTargets(old[0].target, t) == 0 {
			*entries[i] = *old[0]
			entries[i].target = t
		}
	}
	a.entries = entries
	a.allocate()
}

// SetCollectors says who shares the targets, and reports whether that is news.
func (a *Allocation) SetCollectors(collectors []Collector) bool {
	collectors = slices.Clone(collectors)
	slices.SortFunc(collectors, func(x, y Collector) int { return strings.Compare(x.Name, y.Name) })
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Equal(a.collectors, collectors) {
		return false
	}
	a.collectors = collectors
	a.allocate()
	return true
}

// allocate places every target; a.mu is held.
func (a *Allocation) allocate() {
	now := a.now()
	targets := make([]*target, len(a.entries))
	owner := make(map[*target]string, len(a.entries))
	for i, e := range a.entries {
		targets[i], owner[e.target] = e.target, e.owner
	}
	placed := place(a.strategy, a.fallback, targets, a.collectors, func(t *target) string { return owner[t] })
	for i, e := range a.entries {
		_, there := slices.BinarySearchFunc(a.collectors, e.leaving, func(c Collector, name string) int {
			return strings.Compare(c.Name, name)
		})
		e.move(placed[i], there, now)
	}
}

// move gives the target to another collector. there says that the collector it
// was leaving already is still among those that share.
func (e *entry) move(to string, there bool, now time.Time) {
	if !e.handingOver(now) {
		e.leaving = ""
	}
	if e.owner == to {
		return
	}
	switch {
	case e.leaving != "" && e.leaving == to: // back before it had left
		e.leaving = ""
	case e.leaving != "" && (there || e.taken.IsZero()):
		// The owner may not have scraped it yet; whoever surely had goes on.
		e.moved, e.taken = now, time.Time{}
	default:
		e.leaving, e.moved, e.taken = e.owner, now, time.Time{}
	}
	e.owner = to
}

// Targets are what a collector scrapes of a job. Asking is what tells that the
// collector knows of them now.
func (a *Allocation) Targets(job, collector string) []*target {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	var targets []*target
	for _, e := range a.ofJob(job) {
		switch {
		case e.owner == collector:
			if e.taken.IsZero() && e.handingOver(now) {
				e.taken = now
			}
			targets = append(targets, e.target)
		case e.leaving == collector && e.handingOver(now):
			targets = append(targets, e.target)
		}
	}
	return targets
}

// ofJob returns the entries of a job; a.mu is held.
func (a *Allocation) ofJob(job string) []*entry {
	first := sort.Search(len(a.entries), func(i int) bool { return a.entries[i].job >= job })
	last := sort.Search(len(a.entries), func(i int) bool { return a.entries[i].job > job })
	return a.entries[first:last]
}

// ByCollector are the targets of a job by who owns them. It is a look: no
// collector is taken to know of them.
func (a *Allocation) ByCollector(job string) map[string][]*target {
	a.mu.Lock()
	defer a.mu.Unlock()
	by := map[string][]*target{}
	for _, c := range a.collectors {
		by[c.Name] = nil
	}
	for _, e := range a.ofJob(job) {
		if e.owner != "" {
			by[e.owner] = append(by[e.owner], e.target)
		}
	}
	return by
}

// Shares is how the targets are divided.
type Shares struct {
	Collectors []string       // sorted
	Targets    map[string]int // by collector, each in Collectors and no other
	OfJob      map[string]int // targets by job
	Unassigned int            // targets that no collector has
	Moving     int            // targets that two collectors have, for a while
}

// Shares counts.
func (a *Allocation) Shares() Shares {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	s := Shares{Targets: map[string]int{}, OfJob: map[string]int{}}
	for _, c := range a.collectors {
		s.Targets[c.Name] = 0
	}
	for _, e := range a.entries {
		s.OfJob[e.job]++
		if e.owner == "" {
			s.Unassigned++
			continue
		}
		s.Targets[e.owner]++
		if e.handingOver(now) {
			s.Moving++
		}
	}
	s.Collectors = slices.Sorted(maps.Keys(s.Targets))
	return s
}
