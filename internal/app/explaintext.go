package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/explain"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// explanation is a report on its way to a terminal.
type explanation struct {
	strings.Builder
	st    style
	width int
}

func (x *explanation) line(format string, args ...any) { fmt.Fprintf(x, format+"\n", args...) }

// operator says how the operator is, where that matters.
func (x *explanation) operator(o explain.Operator) {
	if o.Message != "" {
		x.line("%s %s", x.st.bad("✗"), printable(o.Message))
		x.commands("    ", o.Fix)
		x.line("")
	}
	for _, w := range o.Warnings {
		x.line("%s of the operator: %s", x.st.warn("!"), printable(w))
	}
}

func (x *explanation) problems(all []string) {
	for _, p := range all {
		x.line("%s could not be found out: %s", x.st.warn("!"), printable(p))
	}
}

// commands are to be copied: nothing stands before them but space.
func (x *explanation) commands(indent, text string) {
	for line := range strings.Lines(text) {
		x.line("%s%s", indent, x.st.dim(strings.TrimRight(line, "\n")))
	}
}

// state colours a state.
func (x *explanation) state(s inject.State) string {
	switch s {
	case inject.StateGuarded, inject.StateRefused, explain.Failed:
		return x.st.bad(string(s))
	case inject.StateMissed, inject.StateStale:
		return x.st.warn(string(s))
	}
	return string(s)
}

// list is a table of workloads.
func (x *explanation) list(r *explain.Report) {
	x.operator(r.Operator)
	t := newTable("NAMESPACE", "WORKLOAD", "KIND", "STATE", "PODS", "REASON", "WHAT IS SO")
	for _, w := range r.Workloads {
		for _, s := range w.Standings {
			t.add(w.Namespace, w.Kind+"/"+w.Name, string(s.Kind), string(s.State), podsOf(s), string(s.Reason), s.Message)
		}
	}
	_ = t.writeOr(x, x.width, x.st, fmt.Sprintf("No workload asks for anything here (%d pods were looked at). An annotation asks:\n\n  kubectl patch deployment/NAME --type merge -p '{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"instrumentation.opentelemetry.io/inject-python\":\"true\"}}}}}'", r.PodsSeen))
	if r.WorkloadsLeftOut > 0 {
		x.line("and %d more: ask for one namespace", r.WorkloadsLeftOut)
	}
	if len(r.Workloads) > 0 {
		x.line("\nMore about one: signalbox explain KIND/NAME -n NAMESPACE")
	}
	x.problems(r.Problems)
}

// podsOf says how many pods have what they would get now.
func podsOf(s explain.Standing) string {
	if s.Pods == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d", s.Injected, s.Pods)
}

// one is all about one workload.
func (x *explanation) one(r *explain.Report) {
	x.operator(r.Operator)
	for i := range r.Workloads {
		w := &r.Workloads[i]
		x.line("%s", x.st.bold(printable(w.Ref.String())))
		if len(w.Standings) == 0 {
			x.line("\nIt asks for nothing: neither the template of its pods nor its namespace has an annotation that does.")
			x.line("For an agent, annotate the template, as for Python:\n")
			x.commands("  ", asking(w))
		}
		for _, s := range w.Standings {
			x.standing(w, s)
		}
		x.pods(w)
		x.events(w)
		x.remarks(w)
		x.fixes(w)
	}
	x.problems(r.Problems)
}

// asking is the command that asks for something.
func asking(w *explain.Workload) string {
	if w.Kind == "Pod" {
		return "# in its manifest, metadata.annotations: instrumentation.opentelemetry.io/inject-python: \"true\""
	}
	change := `{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/inject-python":"true"}}}}}`
	if w.Kind == "CronJob" {
		change = `{"spec":{"jobTemplate":` + change + `}}`
	}
	return fmt.Sprintf("kubectl patch -n %s %s/%s --type merge -p '%s'", w.Namespace, strings.ToLower(w.Kind), w.Name, change)
}

// standing is about one kind.
func (x *explanation) standing(w *explain.Workload, s explain.Standing) {
	x.line("\n%s: %s, %s", x.st.bold(string(s.Kind)), x.state(s.State), havingText(s))
	fact := func(name, text string) {
		if text != "" {
			x.line("  %-9s %s", name, printable(text))
		}
	}
	fact("asked by", s.Asked)
	if d := w.Decision(s.Kind); d != nil {
		message, notes := d.Message, []string(nil)
		if d.Outcome == inject.Injected {
			notes = strings.Split(d.Message, "; ")
			message, notes = notes[0], notes[1:]
		}
		fact("now", fmt.Sprintf("%s (%s): %s", d.Outcome, d.Reason, message))
		for _, n := range notes {
			fact("note", n)
		}
		if !strings.Contains(s.Message, d.Message) {
			fact("pods", s.Message)
		}
	} else {
		fact("now", "nothing asks for it any more")
		fact("pods", s.Message)
	}
	for _, d := range w.Deliveries {
		if d.Kind != s.Kind {
			continue
		}
		fact("container", d.Container)
		fact("agent", d.Image)
		fact("service", d.Service)
		where := d.Endpoint
		if where == "" {
			where = "the default of its SDK: no endpoint is given"
		}
		fact("sends to", strings.TrimSuffix(where+", "+d.Protocol, ", "))
		fact("sampler", d.Sampler)
	}
}

func havingText(s explain.Standing) string {
	switch {
	case s.Pods == 0:
		return "no pods"
	case s.Pods == 1 && s.State == inject.StateInjected:
		return "its pod has it"
	case s.Pods == 1 && s.State == inject.StateStale:
		return "its pod has another than it would get now"
	case s.Pods == 1:
		return "its pod does not have it"
	}
	return fmt.Sprintf("%d of %d pods have what they would get now", s.Injected, s.Pods)
}

// pods are a table of those that are told.
func (x *explanation) pods(w *explain.Workload) {
	if len(w.Pods) == 0 {
		return
	}
	x.line("")
	t := newTable("POD", "KIND", "STATE", "CREATED", "WHAT IS SO")
	for _, p := range w.Pods {
		created := p.Created.UTC().Format("2006-01-02 15:04:05Z")
		for _, s := range p.Standings {
			t.add(p.Name, string(s.Kind), string(s.State), created, s.Message)
		}
		if len(p.Standings) == 0 {
			t.add(p.Name, "-", "-", created, "asks for nothing, and has nothing")
		}
		for _, v := range p.Verdicts {
			t.add(p.Name, "", "", "", "the probe found: "+v.String())
		}
		for _, said := range p.Said {
			t.add(p.Name, "", "", "", "the agent in "+said.Container+" says: "+said.Message)
		}
	}
	_ = t.write(x, x.width, x.st)
	if w.PodsLeftOut > 0 {
		x.line("and %d more", w.PodsLeftOut)
	}
}

// events are what was decided when pods started.
func (x *explanation) events(w *explain.Workload) {
	if len(w.Events) == 0 {
		if len(w.Pods) > 0 && len(w.Standings) > 0 {
			x.line("\nNo event says what was decided when its pods started; events are kept for an hour.")
		}
		return
	}
	x.line("")
	t := newTable("DECIDED", "ABOUT", "REASON", "EVENT")
	for _, e := range w.Events {
		message := e.Message
		if e.Count > 1 {
			message = fmt.Sprintf("%s (%d times)", message, e.Count)
		}
		t.add(e.Time.UTC().Format("2006-01-02 15:04:05Z"), e.About, e.Reason, message)
	}
	_ = t.write(x, x.width, x.st)
}

// remarks are what else to know.
func (x *explanation) remarks(w *explain.Workload) {
	if len(w.Notes)+len(w.Remarks) > 0 {
		x.line("")
	}
	for _, n := range slices.Concat(w.Notes, w.Remarks) {
		x.line("%s %s", x.st.warn("!"), printable(n))
	}
}

// fixes are what to change, each command once.
func (x *explanation) fixes(w *explain.Workload) {
	var told []string
	for _, f := range w.Fixes {
		if !slices.Contains(told, f.Command) {
			told = append(told, f.Command)
		}
	}
	if len(told) == 0 {
		return
	}
	x.line("\n%s\n", x.st.bold("What to change:"))
	for _, command := range told {
		x.commands("", command)
	}
}
