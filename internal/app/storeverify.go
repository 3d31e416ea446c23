package app

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// errDamaged ends verify when something was found. What it is was printed.
var errDamaged = errors.New("the data directory is damaged; 'signalbox store repair --dry-run' says what can be saved")

func newStoreVerify() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Read everything in a data directory and check that it is as it was written",
		Long: `Verify reads every page of every block and compares all of it: checksums, values
with dictionaries and filters, trace index, pre-aggregates and times with the
records, the manifest with the files, and the log as the next start would replay it.

Each finding names file and offset, and says what 'signalbox store repair' would do.
Verify never writes, and works beside a process that uses the directory. A million
records take about 5 s of one core.

The exit code is 0 when nothing is damaged, and 1 when something is. What a start
puts right by itself (a file that was not finished, the torn end of a log) is listed
as "note" and is no damage.`,
		Example: `  signalbox store verify
  signalbox store verify /var/lib/signalbox -o json`,
		Args: atMostOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := storeDir(args)
			if err != nil {
				return err
			}
			p := newProgress(cmd.ErrOrStderr(), "verifying")
			start := time.Now()
			v, err := store.Verify(cmd.Context(), dir, storeOptions(), p.at)
			p.end()
			if err != nil {
				return explainStore(err)
			}
			w := cmd.OutOrStdout()
			if output == "json" {
				err = writeJSON(w, v)
			} else {
				err = printVerification(w, v, time.Since(start))
			}
			if err == nil && v.Damaged() {
				err = errDamaged
			}
			return err
		},
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func printVerification(w io.Writer, v *store.Verification, took time.Duration) error {
	width, st := terminalOf(w)
	if err := printFindings(w, width, st, v.Findings); err != nil {
		return err
	}
	result := "nothing is damaged"
	if v.Damaged() {
		result = st.bad("damaged")
	}
	_, err := fmt.Fprintf(w, "%s with %d records, %s of the log with %s not in a block: %s read in %s; %s\n",
		plural(v.Blocks, "block"), v.Records, plural(v.Segments, "segment"), plural(v.Batches, "batch"),
		sizeText(v.Bytes), formatDuration(took), result)
	return err
}

// printFindings prints one line for each finding, and below it what is done
// about it when it is another thing than for the one before.
func printFindings(w io.Writer, width int, st style, findings []store.Finding) error {
	t := newTable("", ">OFFSET", "FILE", "PROBLEM")
	remedies := [][2]string{}
	for _, f := range findings {
		level := "damage"
		if f.Harmless {
			level = "note"
		}
		t.add(level, strconv.FormatInt(f.Offset, 10), f.File, f.Problem)
		if n := len(remedies); n == 0 || remedies[n-1] != [2]string{f.File, f.Remedy} {
			remedies = append(remedies, [2]string{f.File, f.Remedy})
		}
	}
	if len(t.rows) == 0 {
		return nil
	}
	if err := t.write(w, width, st); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWhat repair would do:")
	for _, r := range remedies {
		fmt.Fprintf(w, "  %s: %s\n", r[0], r[1])
	}
	_, err := fmt.Fprintln(w)
	return err
}
