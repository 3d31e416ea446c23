package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says what became of something old.
type Severity string

// The severities. Only Error stops a configuration from being used.
const (
	Changed Severity = "changed" // rewritten, and means the same
	Ignored Severity = "ignored" // dropped: it has no effect any more
	Warning Severity = "warning" // accepted, and likely not what was meant
	Error   Severity = "error"   // cannot be kept
)

// Finding is one thing that a rule changed or noticed.
type Finding struct {
	Rule string `json:"rule"`
	File string `json:"file,omitempty"` // as the caller named it
	Line int    `json:"line,omitempty"` // in File, from 1; 0 when it is not known
	// Path leads to the place, as {"exporters", "logging", "loglevel"}, or names
	// the flag.
	Path     []string `json:"path"`
	Old      string   `json:"old,omitempty"`
	New      string   `json:"new,omitempty"`
	Since    string   `json:"since,omitempty"` // the release that removed or changed it
	Why      string   `json:"why"`
	Severity Severity `json:"severity"`
}

// String is the finding on one line: file:line: path: what happened: why (since).
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		fmt.Fprintf(&b, "%s:", f.File)
	}
	if f.Line > 0 {
		fmt.Fprintf(&b, "%d:", f.Line)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if len(f.Path) > 0 {
		b.WriteString(f.Place())
		b.WriteString(": ")
	}
	b.WriteString(f.Text())
	return b.String()
}

// Place is the path as people read it.
func (f Finding) Place() string { return strings.Join(f.Path, "::") }

// Text is what happened and why, without the place.
func (f Finding) Text() string {
	var b strings.Builder
	switch {
	case f.Severity == Changed && f.New != "":
		fmt.Fprintf(&b, "changed to %s: ", f.New)
	case f.Severity == Changed:
		b.WriteString("changed: ")
	case f.Severity == Ignored:
		b.WriteString("dropped: ")
	case f.Severity == Warning:
		b.WriteString("warning: ")
	case f.Severity == Error:
		b.WriteString("error: ")
	}
	b.WriteString(f.Why)
	if f.Since != "" {
		fmt.Fprintf(&b, " (since %s)", f.Since)
	}
	return b.String()
}

// sorted orders findings by place, and drops those that say the same twice, as
// happens where an anchor is used twice.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			slices.Compare(a.Path, b.Path),
			cmp.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.String() == b.String()
	})
}

// Failed reports whether anything could not be kept.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error })
}
