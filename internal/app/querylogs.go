package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// logLine is a log record as our API answers it.
type logLine struct {
	Time    unixNanos `json:"time"`
	Level   string    `json:"level"`
	Service string    `json:"service"`
	Body    any       `json:"body"`
	TraceID string    `json:"traceId"`
}

func newQueryLogs() *cobra.Command {
	var f queryFlags
	var limit int
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [CONDITION]",
		Short: "Show log records, or follow them as they arrive",
		Long: `Logs shows the newest log records that fulfil the condition, oldest of them
first. A text in quotes finds records whose body contains it. A condition that
begins with a stream selector, like {service_name="checkout"}, is LogQL.`,
		Example: `  signalbox query logs
  signalbox query logs 'severity >= error && resource.service.name = "checkout"'
  signalbox query logs '"connection refused"' --since 24h --limit 500
  signalbox query logs '{service_name="checkout"} |= "refused" | json | status >= 500'
  signalbox query logs --follow`,
		Args: optionalCondition,
		RunE: func(cmd *cobra.Command, args []string) error {
			v := url.Values{}
			if len(args) > 0 && isLogQL(args[0]) {
				if follow {
					return usageError{errors.New("--follow takes a condition, not LogQL")}
				}
				return f.logQL(cmd, args[0], limit)
			}
			if len(args) > 0 {
				v.Set("q", args[0])
			}
			if follow {
				return f.followLogs(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), v)
			}
			v.Set("limit", strconv.Itoa(limit))
			var answer struct {
				Logs   []logLine    `json:"logs"`
				Report answerReport `json:"report"`
			}
			w := cmd.OutOrStdout()
			return f.answer(cmd.Context(), w, "logs", f.rangeQuery(v), &answer, func(_ int, st style) error {
				answer.Report.warn(cmd.ErrOrStderr(), st)
				if len(answer.Logs) == 0 {
					fmt.Fprintln(w, "No log record matches. Look further back with --since.")
				}
				for _, l := range slices.Backward(answer.Logs) {
					l.write(w, st)
				}
				return nil
			})
		},
	}
	addQueryFlags(cmd, &f, time.Hour)
	addExplainFlag(cmd, &f)
	cmd.Flags().IntVar(&limit, "limit", 100, "show at most this many records")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show records as they arrive, until Ctrl-C")
	return cmd
}

func (l logLine) write(w io.Writer, st style) {
	level := pad(strings.ToUpper(l.Level), 5)
	switch l.Level {
	case "error", "fatal":
		level = st.bad(level)
	case "warn":
		level = st.warn(level)
	}
	text, ok := l.Body.(string)
	if !ok && l.Body != nil {
		encoded, _ := json.Marshal(l.Body)
		text = string(encoded)
	}
	line := fmt.Sprintf("%s  %s  %s  %s", l.Time.local(), level, printable(orNoService(l.Service)), printable(text))
	if l.TraceID != "" {
		line += st.dim("  trace " + l.TraceID)
	}
	fmt.Fprintln(w, line)
}

// followLogs prints records until ctx ends or the server stops, which it says on
// stderr, as it does when records are left out.
func (f *queryFlags) followLogs(ctx context.Context, w, stderr io.Writer, v url.Values) error {
	body, err := f.get(ctx, "logs/tail", v)
	if err != nil {
		return err
	}
	defer body.Close()
	_, st := terminalOf(w)
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 64<<20) // a record is at most what a receiver accepts
	event := ""
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = text
		case name == "data" && event == "log" && f.output == "json":
			fmt.Fprintln(w, text)
		case name == "data" && event == "log":
			var l logLine
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return fmt.Errorf("reading a record of %s: %w", f.server, err)
			}
			l.write(w, st)
		case name == "data" && event == "missed":
			var left struct {
				Missed uint64 `json:"missed"`
			}
			if err := json.Unmarshal([]byte(text), &left); err != nil {
				return fmt.Errorf("reading an event of %s: %w", f.server, err)
			}
			fmt.Fprintf(stderr, "%d records were left out: they arrive faster than they are read here.\n", left.Missed)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("following the logs of %s: %w", f.server, err)
	}
	fmt.Fprintln(stderr, "The server has stopped.")
	return nil
}
