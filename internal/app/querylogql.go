package app

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// selector is how a stream selector begins: with the name of a label.
var selector = regexp.MustCompile("^\\s*\\{\\s*([A-Za-z_][A-Za-z0-9_]*)\\s*(?:=~|!~|!=|=)\\s*[\"`]")

// isLogQL reports whether text is LogQL and not a condition in braces. Where it
// can be both, it means the same, but for labels that stand for an attribute of
// another name.
func isLogQL(text string) bool {
	m := selector.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	_, err := query.Parse(store.Logs, text)
	return err != nil || logql.AttrOf(m[1]) != m[1]
}

// lokiLines is an answer with log lines, as Loki's API gives it.
type lokiLines struct {
	Warnings []string `json:"warnings"`
	Data     struct {
		Result []struct {
			Stream map[string]string `json:"stream"`
			Values [][2]string       `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// lines gives all lines of an answer, oldest first.
func (a *lokiLines) lines() []logLine {
	var all []logLine
	for _, stream := range a.Data.Result {
		for _, v := range stream.Values {
			all = append(all, logLine{
				Time: unixNanos(v[0]), Level: strings.Replace(stream.Stream["detected_level"], "unknown", "unset", 1),
				Service: stream.Stream["service_name"], TraceID: stream.Stream["trace_id"], Body: v[1],
			})
		}
	}
	slices.SortStableFunc(all, func(a, b logLine) int { return a.Time.time().Compare(b.Time.time()) })
	return all
}

// logQL shows the lines that a query in LogQL finds.
func (f *queryFlags) logQL(cmd *cobra.Command, text string, limit int) error {
	v := f.rangeQuery(url.Values{"query": {text}, "limit": {strconv.Itoa(limit)}})
	var answer lokiLines
	w := cmd.OutOrStdout()
	return f.answer(cmd.Context(), w, "/loki/api/v1/query_range", v, &answer, func(_ int, st style) error {
		for _, warning := range answer.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), st.warn(strings.ToUpper(warning[:1])+warning[1:]+"."))
		}
		lines := answer.lines()
		if len(lines) == 0 {
			fmt.Fprintln(w, "No log record matches. Look further back with --since.")
		}
		for _, l := range lines {
			l.write(w, st)
		}
		return nil
	})
}
