package allocator

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/buraksezer/consistent"
	"github.com/cespare/xxhash/v2"
)

// The strategies, by the names that configurations use.
const (
	consistentHashing = "consistent-hashing"
	leastWeighted     = "least-weighted"
	perNode           = "per-node"

	strategyNames = consistentHashing + ", " + leastWeighted + " or " + perNode

	relabelConfig = "relabel-config"
)

func isStrategy(name string) bool {
	return name == consistentHashing || name == leastWeighted || name == perNode
}

// Collector is one of those that share the targets.
type Collector struct {
	// Name is the collector_id that it asks with: its pod's name.
	Name string
	// Node is where it runs, for the strategy per-node.
	Node string
}

// place chooses a collector for each target; "" is none. Targets and collectors
// come sorted, by identity and by name, so that the same input gives the same
// answer in every process.
func place(strategy, fallback string, targets []*target, collectors []Collector, owner func(*target) string) []string {
	placed := make([]string, len(targets))
	if len(collectors) == 0 {
		return placed
	}
	switch strategy {
	case consistentHashing:
		placeByHash(placed, targets, collectors)
	case leastWeighted:
		placeByWeight(placed, targets, collectors, owner)
	case perNode:
		placeByNode(placed, targets, collectors)
		if fallback != "" {
			placeRest(placed, fallback, targets, collectors, owner)
		}
	}
	return placed
}

// placeRest lets another strategy place what has no place yet.
func placeRest(placed []string, strategy string, targets []*target, collectors []Collector, owner func(*target) string) {
	var rest []*target
	for i, t := range targets {
		if placed[i] == "" {
			rest = append(rest, t)
		}
	}
	for i, name := range place(strategy, "", rest, collectors, owner) {
		at, _ := slices.BinarySearchFunc(targets, rest[i], compareTargets)
		placed[at] = name
	}
}

// hasher and member are what the ring wants.
type (
	hasher struct{}
	member string
)

func (hasher) Sum64(b []byte) uint64 { return xxhash.Sum64(b) }
func (m member) String() string      { return string(m) }

// placeByHash places on a ring of partitions that gives no collector more than
// 1.1 times its part. When one comes or goes, about its part moves.
func placeByHash(placed []string, targets []*target, collectors []Collector) {
	members := make([]consistent.Member, len(collectors))
	for i, c := range collectors {
		members[i] = member(c.Name)
	}
	ring := consistent.New(members, consistent.Config{
		Hasher: hasher{},
		// The ring gives every member the same whole number of partitions at
		// most; there must be more partitions than members.
		PartitionCount:    max(1061, 2*len(members)+1),
		ReplicationFactor: 5,
		Load:              1.1,
	})
	key := make([]byte, 8)
	for i, t := range targets {
		binary.LittleEndian.PutUint64(key, t.id)
		placed[i] = ring.LocateKey(key).String()
	}
}

// placeByWeight leaves targets where they are, and gives new ones to whoever
// has the fewest, then the fewest of the same job, then the first by name.
func placeByWeight(placed []string, targets []*target, collectors []Collector, owner func(*target) string) {
	all := map[string]int{}
	ofJob := map[[2]string]int{}
	for _, c := range collectors {
		all[c.Name] = 0
	}
	take := func(i int, name string) {
		placed[i] = name
		all[name]++
		ofJob[[2]string{name, targets[i].job}]++
	}
	for i, t := range targets {
		if name := owner(t); name != "" {
			if _, here := all[name]; here {
				take(i, name)
			}
		}
	}
	for i, t := range targets {
		if placed[i] != "" {
			continue
		}
		least := slices.MinFunc(collectors, func(a, b Collector) int {
			return cmp.Or(
				cmp.Compare(all[a.Name], all[b.Name]),
				cmp.Compare(ofJob[[2]string{a.Name, t.job}], ofJob[[2]string{b.Name, t.job}]),
				strings.Compare(a.Name, b.Name))
		})
		take(i, least.Name)
	}
}

// placeByNode gives a target to the collector on its node; the first by name,
// should a node have two.
func placeByNode(placed []string, targets []*target, collectors []Collector) {
	onNode := map[string]string{}
	for _, c := range collectors {
		if _, taken := onNode[c.Node]; !taken && c.Node != "" {
			onNode[c.Node] = c.Name
		}
	}
	for i, t := range targets {
		placed[i] = onNode[t.node]
	}
}
