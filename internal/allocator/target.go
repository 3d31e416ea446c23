package allocator

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/scrape"
)

// disableSharding is the label by which the sharding rules of the Prometheus
// operator let every target pass: dividing is done here.
const disableSharding = "__tmp_disable_sharding"

// nodeLabels say on which node a target is, best first.
var nodeLabels = []model.LabelName{
	"__meta_kubernetes_pod_node_name",
	"__meta_kubernetes_node_name",
	"__meta_kubernetes_endpoint_node_name",
}

// target is one thing to scrape. It is never changed.
type target struct {
	id       uint64 // of job and the labels that are left after relabeling
	job      string
	node     string // "" when it is on none
	interval time.Duration
	address  string
	// labels are those that were discovered: the collector relabels by itself.
	labels map[string]string
}

func compareTargets(a, b *target) int {
	return cmp.Or(strings.Compare(a.job, b.job), cmp.Compare(a.id, b.id))
}

// targetsOf makes the targets of a job from what was discovered, and says how
// many were left out by relabeling.
func targetsOf(c *promconfig.ScrapeConfig, groups []*targetgroup.Group, filter bool) (targets []*target, dropped int) {
	lb := labels.NewBuilder(labels.EmptyLabels())
	for _, g := range groups {
		for _, own := range g.Targets {
			scrape.PopulateDiscoveredLabels(lb, c, own, g.Labels)
			lb.Set(disableSharding, "true")
			kept := relabel.ProcessBuilder(lb, c.RelabelConfigs...)
			if !kept && filter {
				dropped++
				continue
			}
			if !kept { // what the collector will drop has its labels as they came
				scrape.PopulateDiscoveredLabels(lb, c, own, g.Labels)
			}
			targets = append(targets, newTarget(c, own, g.Labels, identity(c.JobName, lb)))
		}
	}
	return targets, dropped
}

// identity hashes the job and the labels that make up a scraped target.
func identity(job string, lb *labels.Builder) uint64 {
	var d xxhash.Digest
	d.Reset()
	write := func(s string) {
		_ = binary.Write(&d, binary.LittleEndian, uint32(len(s))) // a hash takes everything
		_, _ = d.WriteString(s)
	}
	write(job)
	lb.Labels().Range(func(l labels.Label) {
		if l.Name != disableSharding && !strings.HasPrefix(l.Name, model.MetaLabelPrefix) {
			write(l.Name)
			write(l.Value)
		}
	})
	return d.Sum64()
}

func newTarget(c *promconfig.ScrapeConfig, own, group model.LabelSet, id uint64) *target {
	t := &target{
		id:       id,
		job:      c.JobName,
		interval: time.Duration(c.ScrapeInterval),
		labels:   make(map[string]string, len(own)+len(group)),
	}
	all := group.Merge(own)
	for name, value := range all {
		if name != model.AddressLabel {
			t.labels[string(name)] = string(value)
		}
	}
	t.address = string(all[model.AddressLabel])
	for _, name := range nodeLabels {
		if t.node = string(all[name]); t.node != "" {
			return t
		}
	}
	if all["__meta_kubernetes_endpointslice_address_target_kind"] == "Node" {
		t.node = string(all["__meta_kubernetes_endpointslice_address_target_name"])
	}
	return t
}

// sortTargets sorts targets and lets equal ones be one.
func sortTargets(targets []*target) []*target {
	slices.SortFunc(targets, func(a, b *target) int {
		return cmp.Or(compareTargets(a, b), strings.Compare(a.address, b.address))
	})
	return slices.CompactFunc(targets, func(a, b *target) bool { return compareTargets(a, b) == 0 })
}
