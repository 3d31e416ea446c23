package allocator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that tests set.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func newTestAllocation(strategy, fallback string) (*Allocation, *clock) {
	c := &clock{now: time.Unix(1_000_000, 0)}
	return newAllocation(strategy, fallback, func() time.Time { return c.now }), c
}

// made are n targets of a job, spread over three nodes.
func made(job string, n int) []*target {
	all := make([]*target, n)
	for i := range all {
		address := fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250)
		all[i] = &target{id: uint64(i)*0x9e3779b97f4a7c15 + 1, job: job, address: address, interval: time.Second, node: fmt.Sprint("n", i%3)}
	}
	return all
}

func named(names ...string) []Collector {
	var all []Collector
	for _, name := range names {
		all = append(all, Collector{Name: name, Node: "n" + name})
	}
	return all
}

// count is how many targets of a job each collector is told to scrape.
func count(a *Allocation, job string, names ...string) []int {
	var all []int
	for _, name := range names {
		all = append(all, len(a.Targets(job, name)))
	}
	return all
}

func TestHandover(t *testing.T) {
	a, clock := newTestAllocation(leastWeighted, "")
	a.SetTargets(made("j", 1))
	a.SetCollectors(named("a"))
	got := func(step string, want ...int) {
		t.Helper()
		if n := count(a, "j", "a", "b", "c"); !slices.Equal(n, want) {
			t.Errorf("%s: a, b, c have %v targets; want %v", step, n, want)
		}
	}
	got("at first", 1, 0, 0)

	a.SetCollectors(named("b"))
	if n := len(a.Targets("j", "a")); n != 1 {
		t.Errorf("b has not asked: a has %d targets; want 1", n)
	}
	clock.pass(time.Minute)
	got("b asks", 1, 1, 0)
	clock.pass(pickUp)
	got("b may not have scraped", 1, 1, 0)
	clock.pass(time.Second)
	got("b has scraped", 0, 1, 0)

	a.SetCollectors(nil)
	clock.pass(time.Hour)
	got("nobody is there: who had it goes on", 0, 1, 0)
	a.SetCollectors(named("c"))
	got("c asks", 0, 1, 1)
	clock.pass(pickUp + time.Second)
	got("c has scraped", 0, 0, 1)

	a.SetCollectors(named("a"))
	clock.pass(longestHandover)
	got("a asks another replica", 1, 0, 0)
}

// What goes on to a third collector before the second has scraped stays with
// the first.
func TestHandoverOfWhatMoves(t *testing.T) {
	a, clock := newTestAllocation(perNode, "")
	at := func(node string) {
		target := made("j", 1)
		target[0].node = node
		a.SetTargets(target)
	}
	a.SetCollectors(named("1", "2", "3"))
	at("n1")
	at("n2")
	if got := count(a, "j", "1", "2", "3"); !slices.Equal(got, []int{1, 1, 0}) {
		t.Errorf("on its way to 2: %v", got)
	}
	at("n3")
	if got := count(a, "j", "1", "2", "3"); !slices.Equal(got, []int{1, 0, 1}) {
		t.Errorf("on its way to 3: %v", got)
	}
	at("n1")
	if got := count(a, "j", "1", "2", "3"); !slices.Equal(got, []int{1, 0, 0}) {
		t.Errorf("back at 1: %v", got)
	}
	at("n2")
	clock.pass(time.Second)
	count(a, "j", "2")
	clock.pass(pickUp + time.Second)
	if got := count(a, "j", "1", "2", "3"); !slices.Equal(got, []int{0, 1, 0}) {
		t.Errorf("at 2: %v", got)
	}
}

// When a collector comes or goes, about its part moves and no more, and no
// collector has much more than the others.
func TestConsistentHashing(t *testing.T) {
	const n = 3000
	a, _ := newTestAllocation(consistentHashing, "")
	a.SetTargets(made("j", n))
	owners := func() map[uint64]string {
		all := map[uint64]string{}
		for name, targets := range a.ByCollector("j") {
			for _, target := range targets {
				all[target.id] = name
			}
		}
		return all
	}
	a.SetCollectors(named("a", "b", "c", "d"))
	before := owners()
	a.SetCollectors(named("a", "b", "c", "d", "e"))
	after := owners()
	moved := 0
	for id, name := range after {
		if before[id] != name {
			moved++
		}
	}
	if len(before) != n || len(after) != n {
		t.Errorf("%d and %d targets have an owner; want %d", len(before), len(after), n)
	}
	if moved > n/5*2 {
		t.Errorf("%d targets of %d moved when a fifth collector came; want about %d", moved, n, n/5)
	}
	for name, have := range a.Shares().Targets {
		if have > n/5*13/10 {
			t.Errorf("%s has %d targets; want about %d", name, have, n/5)
		}
	}
}

// The ring has room for any number of collectors.
func TestConsistentHashingOfManyCollectors(t *testing.T) {
	a, _ := newTestAllocation(consistentHashing, "")
	a.SetTargets(made("j", 10))
	for _, n := range []int{1, 2, 353, 354, 530, 531, 1061, 1062, 2000} {
		var all []Collector
		for i := range n {
			all = append(all, Collector{Name: fmt.Sprint("collector-", i)})
		}
		a.SetCollectors(all)
		if got := a.Shares(); got.Unassigned != 0 || len(got.Collectors) != n {
			t.Errorf("%d collectors: %d targets are unassigned", n, got.Unassigned)
		}
	}
}

func TestLeastWeighted(t *testing.T) {
	a, _ := newTestAllocation(leastWeighted, "")
	a.SetTargets(append(made("j", 4), made("k", 4)...))
	a.SetCollectors(named("b", "a"))
	want := Shares{
		Collectors: []string{"a", "b"},
		Targets:    map[string]int{"a": 4, "b": 4},
		OfJob:      map[string]int{"j": 4, "k": 4},
	}
	if diff := cmp.Diff(want, a.Shares()); diff != "" {
		t.Errorf("two collectors (-want +got):\n%s", diff)
	}
	before := a.ByCollector("j")["a"]
	a.SetCollectors(named("a", "b", "c"))
	if diff := cmp.Diff(before, a.ByCollector("j")["a"], cmp.AllowUnexported(target{})); diff != "" {
		t.Errorf("a third collector took what was placed (-want +got):\n%s", diff)
	}
	a.SetTargets(append(made("j", 4), made("k", 8)...))
	if got := a.Shares().Targets["c"]; got != 4 {
		t.Errorf("the new collector has %d of the new targets; want 4", got)
	}
}

func TestPerNode(t *testing.T) {
	f := func(fallback string, want map[string]int, unassigned int) {
		t.Helper()
		a, _ := newTestAllocation(perNode, fallback)
		a.SetTargets(made("j", 9))
		a.SetCollectors(named("0", "1"))
		got := a.Shares()
		if diff := cmp.Diff(want, got.Targets); diff != "" || got.Unassigned != unassigned {
			t.Errorf("fallback %q: %d unassigned, want %d; shares (-want +got):\n%s", fallback, got.Unassigned, unassigned, diff)
		}
	}
	f("", map[string]int{"0": 3, "1": 3}, 3)
	f(leastWeighted, map[string]int{"0": 5, "1": 4}, 0)
}

func TestEqualTargetsAreOne(t *testing.T) {
	a, _ := newTestAllocation(leastWeighted, "")
	a.SetCollectors(named("a"))
	a.SetTargets(append(made("j", 3), made("j", 2)...))
	if got := count(a, "j", "a"); got[0] != 3 {
		t.Errorf("got %d targets; want 3", got[0])
	}
}
