package allocator

import (
	"fmt"
	"testing"
)

// BenchmarkAllocation divides 100,000 targets among 50 collectors of which one
// comes or goes, and lets each ask for its share.
func BenchmarkAllocation(b *testing.B) {
	for _, strategy := range []string{consistentHashing, leastWeighted, perNode} {
		b.Run(strategy, func(b *testing.B) {
			a, _ := newTestAllocation(strategy, "")
			targets := made("j", 100_000)
			a.SetTargets(targets)
			var names []string
			for i := range 50 {
				names = append(names, fmt.Sprint(i))
			}
			collectors := named(names...)
			for b.Loop() {
				a.SetCollectors(collectors[:49])
				a.SetCollectors(collectors)
				for _, c := range collectors {
					a.Targets("j", c.Name)
				}
			}
		})
	}
}
