package app

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/store"
)

func newStoreRepair() *cobra.Command {
	var output string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "repair [DIR]",
		Short: "Save what can be read of a damaged data directory, and say what is lost",
		Long: `Repair verifies a data directory and puts right what it finds:

  a damaged block    every record that can be read whole becomes a new block
  a block set aside  likewise: a running process takes a whole block out of service
                     for one bad page
  a damaged log      the batches that can be read become a block
  a lost manifest    it is made again from the blocks

A record that lacks a value is not kept: what is there is what was sent. Damaged
files stay beside the new ones, as *.corrupt; delete them when nobody needs them.
Nothing is removed because of its age.

The process that uses the directory must be stopped. With --dry-run nothing is
written, and it may run on.`,
		Example: `  signalbox store repair --dry-run
  signalbox store repair /var/lib/signalbox
  signalbox store repair /var/lib/signalbox -o json`,
		Args: atMostOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := storeDir(args)
			if err != nil {
				return err
			}
			o := storeOptions()
			o.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			p := newProgress(cmd.ErrOrStderr(), "reading")
			r, err := store.Repair(cmd.Context(), dir, o, dryRun, p.at)
			p.end()
			if err != nil {
				return explainStore(err)
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			return printRepaired(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done and lost, and write nothing")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func printRepaired(w io.Writer, r *store.Repaired) error {
	_, st := terminalOf(w)
	for _, a := range r.Actions {
		fmt.Fprintf(w, "%s\n", st.bold(printable(a.File)))
		for i, p := range a.Problems {
			if i == 3 && len(a.Problems) > 4 {
				fmt.Fprintf(w, "  and %d more: see 'signalbox store verify'\n", len(a.Problems)-i)
				break
			}
			fmt.Fprintf(w, "  at %d: %s\n", p.Offset, printable(p.Problem))
		}
		fmt.Fprintf(w, "  -> %s\n", a.Done)
		if a.Kept > 0 {
			fmt.Fprintf(w, "     kept: %s\n", plural(a.Kept, "record"))
		}
		if a.Lost != nil {
			fmt.Fprintln(w, "     "+st.bad("lost: "+lossText(a.Lost)))
		}
	}
	if len(r.Actions) == 0 {
		_, err := fmt.Fprintln(w, "nothing to repair")
		return err
	}
	files, lost := plural(len(r.Actions), "file"), plural(r.Lost(), "record")
	if r.DryRun {
		_, err := fmt.Fprintf(w, "%s to repair, %s lost by it; nothing was written\n", files, lost)
		return err
	}
	_, err := fmt.Fprintf(w, "%s repaired, %s lost\n", files, lost)
	return err
}

// lossText says how much was lost, of when and of whom.
func lossText(l *store.Loss) string {
	if l.Records == 0 {
		return "all of it; how much that was is not known"
	}
	text := plural(l.Records, "record")
	if !l.Oldest.IsZero() {
		text += fmt.Sprintf(" from %s to %s", timeText(l.Oldest), timeText(l.Newest))
	}
	if len(l.Services) > 0 {
		names := make([]string, len(l.Services))
		for i, s := range l.Services {
			names[i] = orNoService(s)
		}
		text += " of " + printable(strings.Join(names, ", "))
	}
	if l.UnknownServices > 0 {
		text += fmt.Sprintf("; of %d the service cannot be read", l.UnknownServices)
	}
	return text
}
