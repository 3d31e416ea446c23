package app

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func newQueryServices() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{
		Use:   "services [SERVICE]",
		Short: "Show rate, errors and durations of services, or of one service's operations",
		Long: `Services shows how many requests each service answered, how many failed, and how
long they took. A service that answers none (a job, a browser) shows the spans
that it starts traces with.`,
		Example: `  signalbox query services
  signalbox query services checkout --since 24h`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("got %d arguments; want one service, or none", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer struct {
				Rows []struct {
					Service   string        `json:"service"`
					Operation string        `json:"operation"`
					Kind      string        `json:"kind"`
					Count     uint64        `json:"count"`
					Errors    uint64        `json:"errors"`
					Rate      float64       `json:"rate"`
					P50       time.Duration `json:"p50Nanos"`
					P95       time.Duration `json:"p95Nanos"`
					P99       time.Duration `json:"p99Nanos"`
				} `json:"services"`
				Report answerReport `json:"report"`
			}
			path, name := "services", "SERVICE"
			if len(args) == 1 {
				path, name = "services/"+url.PathEscape(args[0])+"/operations", "OPERATION"
			}
			w := cmd.OutOrStdout()
			return f.answer(cmd.Context(), w, path, f.rangeQuery(url.Values{}), &answer, func(width int, st style) error {
				answer.Report.warn(cmd.ErrOrStderr(), st)
				t := newTable(">REQUESTS", ">PER SECOND", ">ERRORS", ">P50", ">P95", ">P99", name)
				for _, r := range answer.Rows {
					label := orNoService(r.Service)
					if len(args) == 1 {
						label = r.Operation + " (" + r.Kind + ")"
					}
					t.add(strconv.FormatUint(r.Count, 10), significant(r.Rate), percent(r.Errors, r.Count),
						formatDuration(r.P50), formatDuration(r.P95), formatDuration(r.P99), label)
				}
				return t.writeOr(w, width, st, "No spans in this range. Look further back with --since.")
			})
		},
	}
	addQueryFlags(cmd, &f, time.Hour)
	addExplainFlag(cmd, &f)
	return cmd
}

// percent is part of whole; 0 % only when there is none at all.
func percent(part, whole uint64) string {
	switch {
	case part == 0 || whole == 0:
		return "0 %"
	case part*1000 < whole:
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}
