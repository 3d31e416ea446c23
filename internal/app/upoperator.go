package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
	"github.com/signalbox-otel/signalbox/internal/server"
)

// operatorTime bounds a question: the operator may have to look at all pods first.
const operatorTime = 25 * time.Second

// askOperator asks the operator at an address, for the page.
func askOperator(address, tokenFile string) func(context.Context, server.InjectionQuestion) (server.Instrumentation, error) {
	c := &review.Client{URL: address, TokenFile: tokenFile, HTTP: &http.Client{Timeout: operatorTime}}
	return func(ctx context.Context, of server.InjectionQuestion) (server.Instrumentation, error) {
		report, err := ask(ctx, c, of)
		if err != nil {
			return server.Instrumentation{}, err
		}
		a := shownReport(report)
		a.Operator = address
		return a, nil
	}
}

// ask asks for the report that answers a question. A workload that does not exist
// is none in the report.
func ask(ctx context.Context, c *review.Client, of server.InjectionQuestion) (*review.Report, error) {
	if of.Kind == "" {
		return c.Report(ctx, of.Namespace)
	}
	r := &review.Report{}
	w, err := c.Workload(ctx, review.Ref{Kind: of.Kind, Namespace: of.Namespace, Name: of.Name})
	if answer := (*review.Error)(nil); errors.As(err, &answer) && (answer.Status == http.StatusNotFound || answer.Status == http.StatusBadRequest) {
		return r, nil
	}
	if err == nil {
		r.Workloads = []review.Workload{*w}
	}
	return r, err
}

// shownReport is a report as the page has it.
func shownReport(r *review.Report) server.Instrumentation {
	a := server.Instrumentation{Time: server.Instant{Time: r.Time.Time}, WorkloadsLeftOut: r.WorkloadsLeftOut, PodsSeen: r.PodsSeen, Problems: r.Problems}
	for i := range r.Workloads {
		a.Workloads = append(a.Workloads, shownWorkload(&r.Workloads[i]))
	}
	return a
}

func shownWorkload(w *review.Workload) server.InjectedWorkload {
	s := server.InjectedWorkload{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, PodsLeftOut: w.PodsLeftOut, Notes: w.Notes}
	for _, d := range w.Decisions {
		s.Decisions = append(s.Decisions, shownDecision(d))
	}
	for _, c := range w.Counts {
		s.Counts = append(s.Counts, server.InjectionCount{Kind: string(c.Kind), State: string(c.State), Pods: c.Pods})
	}
	for _, f := range w.Fixes {
		s.Fixes = append(s.Fixes, server.InjectionFix{Kind: string(f.Kind), Command: f.Command})
	}
	for _, p := range w.Pods {
		pod := server.InjectedPod{Name: p.Name, Created: server.Instant{Time: p.Created.Time}}
		for _, st := range p.Standings {
			pod.Standings = append(pod.Standings, server.InjectionStanding{Kind: string(st.Kind), State: string(st.State), Source: st.Source, Message: st.Message})
		}
		for _, v := range p.Verdicts {
			pod.Found = append(pod.Found, v.String())
		}
		for _, said := range p.Said {
			pod.Said = append(pod.Said, server.AgentLine{Container: said.Container, Message: said.Message})
		}
		s.Pods = append(s.Pods, pod)
	}
	return s
}

func shownDecision(d inject.Decision) server.InjectionDecision {
	return server.InjectionDecision{
		Kind: string(d.Kind), Outcome: string(d.Outcome), Reason: string(d.Reason), Message: d.Message, Source: d.Source, Containers: d.Containers,
	}
}
