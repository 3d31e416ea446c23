package cluster

import (
	"context"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/doctor"
)

// Report is what was found.
type Report struct {
	Namespace string `json:"namespace"`
	// Operator is its image, "" when there is none.
	Operator string        `json:"operator,omitempty"`
	Status   doctor.Status `json:"status"`
	Findings []Finding     `json:"findings"`
	Probes   []Followed    `json:"probes"`
}

// Examine examines a cluster. The error is about the command; whatever is wrong
// with the cluster is in the report.
func Examine(ctx context.Context, o Options) (*Report, error) {
	g, err := newGatherer(o)
	if err != nil {
		return nil, err
	}
	p, err := g.gather(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{Namespace: p.Namespace, Findings: Judge(p), Probes: []Followed{}}
	if p.Operator != nil {
		r.Operator = p.Operator.Image
	}
	if o.Probe {
		if r.Probes, err = g.probe(ctx); err != nil {
			return nil, err
		}
	}
	r.settle()
	return r, nil
}

// settle is the worst of all.
func (r *Report) settle() {
	order := []doctor.Status{doctor.Unknown, doctor.OK, doctor.Warning, doctor.Error}
	worse := func(s doctor.Status) {
		if slices.Index(order, s) > slices.Index(order, r.Status) {
			r.Status = s
		}
	}
	for _, f := range r.Findings {
		worse(f.Status)
	}
	for _, p := range r.Probes {
		worse(p.Report.Status)
	}
}

// Count is how many findings and hops have a status.
func (r *Report) Count(s doctor.Status) int {
	n := 0
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	for _, p := range r.Probes {
		n += p.Report.Count(s)
	}
	return n
}
