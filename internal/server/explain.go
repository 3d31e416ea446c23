package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// explaining returns the request with a context that notes how it is answered,
// when it is one to our own API that asks for that.
func (s *Server) explaining(r *http.Request, rt *route) *http.Request {
	if rt.light || rt.endless || !strings.HasPrefix(rt.pattern, apiPrefix) || r.URL.Query().Get("explain") != "true" {
		return r
	}
	return r.WithContext(store.WithExplain(r.Context(), &store.Explain{Began: s.deps.Now()}))
}

// explainAnswer says how an answer was found.
type explainAnswer struct {
	Elapsed int64 `json:"elapsedNanos"` // of the whole answer, up to here
	Matched int   `json:"matched"`
	Pages   int   `json:"pagesRead"`
	Bytes   int64 `json:"bytesRead"`
	// Stages are work that several do at a time, so that they may add up to more.
	Stages  []stageAnswer   `json:"stages"`
	Skipped []skippedAnswer `json:"skipped"`
	Parts   []partAnswer    `json:"parts"`
	More    int             `json:"more,omitempty"` // parts that are not listed
}

// stageAnswer is a kind of work.
type stageAnswer struct {
	Name    string `json:"name"`
	Elapsed int64  `json:"elapsedNanos"`
}

// skippedAnswer counts the parts that were not looked into for one reason.
type skippedAnswer struct {
	Why   string `json:"why"`
	Parts int    `json:"parts"`
}

// partAnswer says how one block, or what is in memory, was looked into.
type partAnswer struct {
	Part          string         `json:"part"`
	Kind          string         `json:"kind"`
	Rows          int            `json:"rows"`
	First         nanos          `json:"first"`
	Last          nanos          `json:"last"`
	Groups        int            `json:"groups"`
	GroupsSkipped map[string]int `json:"groupsSkipped"`
	Examined      int            `json:"examined"`
	Matched       int            `json:"matched"`
	Pages         int            `json:"pagesRead"`
	Bytes         int64          `json:"bytesRead"`
	Elapsed       int64          `json:"elapsedNanos"`
	Steps         []stepAnswer   `json:"steps"`
}

// stepAnswer is a part of the condition, in the order in which it was tried.
type stepAnswer struct {
	Depth     int    `json:"depth"`
	Condition string `json:"condition"`
	How       string `json:"how,omitempty"`
	In        int    `json:"in"`
	Out       int    `json:"out"`
}

// explanation is what is known of how the context's request was answered; nil
// when nobody asked.
func (s *Server) explanation(ctx context.Context, r *store.Report) *explainAnswer {
	e := store.ExplainOf(ctx)
	if e == nil {
		return nil
	}
	a := &explainAnswer{Elapsed: s.deps.Now().Sub(e.Began).Nanoseconds(), Matched: r.Matched, Pages: r.Pages, Bytes: r.Bytes,
		Stages: []stageAnswer{}, Skipped: []skippedAnswer{}, Parts: []partAnswer{}, More: e.More}
	for _, stage := range e.Stages {
		a.Stages = append(a.Stages, stageAnswer{stage.Name, stage.Elapsed.Nanoseconds()})
	}
	for why, n := range e.Skipped {
		a.Skipped = append(a.Skipped, skippedAnswer{why, n})
	}
	slices.SortFunc(a.Skipped, func(x, y skippedAnswer) int { return cmp.Or(cmp.Compare(y.Parts, x.Parts), cmp.Compare(x.Why, y.Why)) })
	for i := range e.Parts {
		a.Parts = append(a.Parts, partOf(&e.Parts[i]))
	}
	return a
}

func partOf(p *store.ExplainPart) partAnswer {
	a := partAnswer{Part: p.Part, Kind: p.Kind.String(), Rows: p.Rows, First: nanos(p.First), Last: nanos(p.Last), Groups: p.Groups,
		GroupsSkipped: map[string]int{}, Examined: p.Examined, Matched: p.Matched, Pages: p.Pages, Bytes: p.Bytes,
		Elapsed: p.Elapsed.Round(time.Microsecond).Nanoseconds(), Steps: []stepAnswer{}}
	for why, n := range map[string]int{"time": p.ByTime, "pages": p.ByPages, "answered": p.ByLimit} {
		if n > 0 {
			a.GroupsSkipped[why] = n
		}
	}
	for _, step := range p.Steps {
		a.Steps = append(a.Steps, stepAnswer{step.Depth, conditionOf(p.Kind, step.Expr), step.How, step.In, step.Out})
	}
	return a
}

// conditionOf is one part of a condition in words.
func conditionOf(k store.Kind, e store.Expr) string {
	switch e.(type) {
	case nil:
		return "traces by id"
	case store.And:
		return "all of"
	case store.Or:
		return "any of"
	case store.Not:
		return "not"
	}
	return query.Format(k, e)
}
