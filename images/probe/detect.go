package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// detection is what detect is told.
type detection struct {
	dir, container string
	// languages may be chosen; ready are those whose agent is there already.
	languages, ready []string
	// command is what the container starts, where the pod says so.
	command []string
	environ []string
}

// detect looks at an image, writes down what the container gets, and adds the
// variables of languages whose agent is there.
func detect(im image, d detection) (verdict.Verdict, error) {
	p, err := load(d.dir, d.container)
	if err != nil {
		return verdict.Verdict{}, err
	}
	found := im.runtimes()
	entry, language := im.entry(d.command)
	p.Variables = map[string]map[string]string{}
	for i := range found {
		im.judge(&found[i].Runtime, d, language, p.Variables)
	}
	if len(p.Variables) == 0 {
		if program, ok := im.program(entry); ok && program.goVersion != "" {
			found = append(found, ofGo(program))
		} else if len(found) == 0 {
			found = im.goPrograms()
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		switch {
		case a.Used == b.Used:
			return 0
		case a.Used:
			return -1
		}
		return 1
	})
	v := verdict.Verdict{Container: d.container, Entry: entry}
	for _, f := range found {
		v.Runtimes = append(v.Runtimes, f.Runtime)
	}
	if v.Libc = im.libc(); len(found) > 0 && found[0].libc != "" {
		v.Libc = found[0].libc
	}
	fitLibc(p.Variables[verdict.DotNet], v.Libc)
	p.Verdict, p.Active = v, nil
	for _, l := range v.Used() {
		if slices.Contains(d.ready, l) {
			p.Active = append(p.Active, l)
		}
	}
	return v, p.save(d.dir, d.container)
}

// judge decides about one runtime. Variables are those of the languages that are
// used so far.
func (im image) judge(r *verdict.Runtime, d detection, entry string, variables map[string]map[string]string) {
	no := func(reason verdict.Reason, format string, args ...any) {
		r.Reason, r.Message = reason, fmt.Sprintf(format, args...)
	}
	least, text := oldest(r.Language)
	switch {
	case r.Reason != "":
	case !slices.Contains(d.languages, r.Language):
		no(verdict.NotAllowed, "%s is not among the languages that this container may get, for the reason that the decision about its pod gives", r.Language)
	case entry != "" && entry != r.Language:
		no(verdict.NotStarted, "the container starts a program of %s", entry)
	case older(r.Version, least...), r.Language == verdict.NodeJS && strings.HasPrefix(r.Version, "20.") && older(r.Version, 20, 6), r.Language == verdict.NodeJS && strings.HasPrefix(r.Version, "19."):
		no(verdict.TooOld, "it is version %s, and the agent needs %s or newer", r.Version, text)
	case im.agent(r.Language) != "":
		no(verdict.OtherAgent, "variable %s of the image says that it has an agent already", im.agent(r.Language))
	case variables[r.Language] != nil:
		r.Used = true
	default:
		all, err := wanted(d.environ, r.Language, im.env)
		if err != nil {
			no(verdict.BadVariable, "%v", err)
			return
		}
		r.Used, variables[r.Language] = true, all
	}
}

// oldest is the oldest version of a runtime that agents work in, and how to say
// so.
func oldest(language string) ([]int, string) {
	switch language {
	case verdict.Java:
		return []int{8}, "8"
	case verdict.NodeJS:
		return []int{18, 19}, "18.19, 20.6"
	case verdict.Python:
		return []int{3, 10}, "3.10"
	case verdict.DotNet:
		return []int{6}, "6"
	}
	return nil, ""
}

// agent is the variable by which the image says that it has an agent for a
// language, or nothing. Two agents of OpenTelemetry, or two profilers of .NET, do
// not go together.
func (im image) agent(language string) string {
	variable, mark := "", "opentelemetry"
	switch language {
	case verdict.Java:
		variable = "JAVA_TOOL_OPTIONS"
	case verdict.NodeJS:
		variable = "NODE_OPTIONS"
	case verdict.Python:
		variable = "PYTHONPATH"
	case verdict.DotNet:
		variable, mark = "CORECLR_PROFILER", ""
	}
	if value := im.env(variable); value != "" && strings.Contains(value, mark) {
		return variable
	}
	return ""
}

// fitLibc makes the variables of .NET name the profiler for musl where that is the
// image's.
func fitLibc(variables map[string]string, libc string) {
	if libc != verdict.Musl {
		return
	}
	for name, value := range variables {
		variables[name] = strings.ReplaceAll(value, "/otel-auto-instrumentation-dotnet/linux/", "/otel-auto-instrumentation-dotnet/linux-musl/")
	}
}
