package app

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// unixNanos is a time as our API writes it: a string of Unix nanoseconds.
type unixNanos string

func (n unixNanos) time() time.Time {
	v, _ := strconv.ParseInt(string(n), 10, 64)
	return time.Unix(0, v)
}

// local is the time of day here, with the date when it is not today.
func (n unixNanos) local() string {
	t := n.time().Local()
	if t.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return t.Format("15:04:05.000")
	}
	return t.Format("2006-01-02 15:04:05.000")
}

// answerReport says whether an answer is whole.
type answerReport struct {
	Partial    bool     `json:"partial"`
	Stopped    string   `json:"stopped"`
	Unreadable []string `json:"unreadable"`
}

// warn says what is missing from an answer.
func (r answerReport) warn(w io.Writer, st style) {
	if !r.Partial {
		return
	}
	why := r.Stopped
	if len(r.Unreadable) > 0 {
		why = "unreadable: " + strings.Join(r.Unreadable, ", ")
	}
	fmt.Fprintln(w, st.warn("The answer is not complete ("+why+")."))
}

// traceSummary is a trace as searches list it.
type traceSummary struct {
	TraceID     string        `json:"traceId"`
	Start       unixNanos     `json:"start"`
	Duration    time.Duration `json:"durationNanos"`
	RootService string        `json:"rootService"`
	RootName    string        `json:"rootName"`
	Spans       int           `json:"spanCount"`
	Errors      int           `json:"errorCount"`
	Services    []struct {
		Service string `json:"service"`
	} `json:"services"`
}

func newQueryTraces() *cobra.Command {
	var f queryFlags
	var limit int
	var minDuration, maxDuration time.Duration
	cmd := &cobra.Command{
		Use:   "traces [CONDITION]",
		Short: "List traces, newest first",
		Long: `Traces lists the newest traces with a span that fulfils the condition; without
one, the newest traces. See signalbox query --help for conditions. What is more
than a condition on one span is read as TraceQL.`,
		Example: `  signalbox query traces
  signalbox query traces 'resource.service.name = "checkout" && status = error' --since 24h
  signalbox query traces '.http.route = "/cart"' --min-duration 500ms -o json
  signalbox query traces '{ resource.service.name = "checkout" } >> { status = error }'`,
		Args: optionalCondition,
		RunE: func(cmd *cobra.Command, args []string) error {
			v := f.rangeQuery(url.Values{"limit": {strconv.Itoa(limit)}})
			if len(args) > 0 {
				v.Set("q", args[0])
			}
			if minDuration > 0 {
				v.Set("minDuration", minDuration.String())
			}
			if maxDuration > 0 {
				v.Set("maxDuration", maxDuration.String())
			}
			var answer struct {
				Traces []traceSummary `json:"traces"`
				Report answerReport   `json:"report"`
			}
			w := cmd.OutOrStdout()
			return f.answer(cmd.Context(), w, "traces", v, &answer, func(width int, st style) error {
				answer.Report.warn(cmd.ErrOrStderr(), st)
				t := newTable("START", "TRACE ID", ">DURATION", ">SPANS", ">ERRORS", "ROOT")
				for _, s := range answer.Traces {
					t.add(s.Start.local(), s.TraceID, formatDuration(s.Duration), strconv.Itoa(s.Spans), strconv.Itoa(s.Errors), s.root())
				}
				return t.writeOr(w, width, st, "No trace matches. Look further back with --since, or check with: signalbox query services")
			})
		},
	}
	addQueryFlags(cmd, &f, time.Hour)
	addExplainFlag(cmd, &f)
	cmd.Flags().IntVar(&limit, "limit", 20, "list at most this many traces")
	cmd.Flags().DurationVar(&minDuration, "min-duration", 0, "only traces that took at least this long")
	cmd.Flags().DurationVar(&maxDuration, "max-duration", 0, "only traces that took at most this long")
	return cmd
}

func (s traceSummary) root() string {
	if s.RootName == "" && s.RootService == "" {
		return "(root span not received)"
	}
	return orNoService(s.RootService) + ": " + s.RootName
}

// orNoService is a service's name, or what stands for none.
func orNoService(name string) string { return cmp.Or(name, "(no service.name)") }

// optionalCondition wants one argument at most, and says how conditions of
// several words are given.
func optionalCondition(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("got %d arguments; want one condition, in quotes", len(args))}
	}
	return nil
}

// traceAnswer is a whole trace, its spans in the order of a waterfall.
type traceAnswer struct {
	traceSummary
	Nodes []struct {
		SpanID        string        `json:"spanId"`
		Service       string        `json:"service"`
		Name          string        `json:"name"`
		Status        string        `json:"status"`
		StatusMessage string        `json:"statusMessage"`
		Start         unixNanos     `json:"start"`
		Duration      time.Duration `json:"durationNanos"`
		Depth         int           `json:"depth"`
	} `json:"spans"`
	Report answerReport `json:"report"`
}

func newQueryTrace() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Draw one trace as a waterfall",
		Example: `  signalbox query trace 5b8aa5a2d2c872e8321cf37308d69df2
  signalbox query trace 5b8aa5a2d2c872e8321cf37308d69df2 -o otlp > trace.json`,
		Args: exactArgs(1, "one trace id, of 32 hex digits"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := url.Values{}
			if f.output == "otlp" {
				v.Set("format", "otlp")
				f.output = "json"
			}
			var t traceAnswer
			w := cmd.OutOrStdout()
			return f.answer(cmd.Context(), w, "traces/"+url.PathEscape(args[0]), v, &t, func(width int, st style) error {
				t.Report.warn(cmd.ErrOrStderr(), st)
				return t.write(w, width, st)
			})
		},
	}
	addQueryFlags(cmd, &f, 0, "otlp")
	addExplainFlag(cmd, &f)
	return cmd
}

func (t *traceAnswer) write(w io.Writer, width int, st style) error {
	fmt.Fprintf(w, "%s  %s\n", st.bold("trace "+t.TraceID), printable(t.root()))
	fmt.Fprintf(w, "%s, %s of %s, %s, %s\n\n", t.Start.local(), count(t.Spans, "span"), count(len(t.Services), "service"),
		formatDuration(t.Duration), count(t.Errors, "error"))
	spans := make([]waterfallSpan, len(t.Nodes))
	for i, n := range t.Nodes {
		spans[i] = waterfallSpan{Depth: n.Depth, Service: printable(orNoService(n.Service)), Name: n.Name, Start: n.Start.time(), Duration: n.Duration}
		if n.Status == "error" {
			spans[i].Error = "error"
			if n.StatusMessage != "" {
				spans[i].Error = printable(n.StatusMessage)
			}
		}
	}
	return writeWaterfall(w, spans, width, st)
}

// count is "1 span", "2 spans".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
