package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func newStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look into, check, mend, export and import the data directory",
		Long: `Store works on the data directory in which 'signalbox up' and the query extension
keep traces and logs, without a running server.

DIR is the folder of --data-dir, or the folder 'store' in it; without one it is
the folder that 'signalbox up' uses. Inspect, verify and export only read, and work
beside a process that uses the directory. Repair and import write, and want it
stopped.`,
		Example: `  signalbox store inspect
  signalbox store verify /var/lib/signalbox
  signalbox store repair /var/lib/signalbox --dry-run
  signalbox store export --format parquet --out archive/
  signalbox store import archive/*.parquet`,
		Args: noCommand,

		SuggestionsMinimumDistance: 2,

		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreInspect(), newStoreVerify(), newStoreRepair(), newStoreExport(), newStoreImport())
	return cmd
}

// storeDir finds the directory that an argument means; without one it is what
// `signalbox up` uses.
func storeDir(args []string) (string, error) {
	dir := ""
	if len(args) > 0 {
		dir = args[0]
	} else {
		home, err := dataHome()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, "signalbox")
	}
	inside := filepath.Join(dir, "store")
	if info, err := os.Stat(inside); err == nil && info.IsDir() {
		return inside, nil
	}
	return dir, nil
}

// atMostOne is for commands that take one argument, or none.
func atMostOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("got %d arguments; want %s, or none", len(args), what)}
		}
		return nil
	}
}

// storeOptions read what our receivers wrote. Nothing is given up because of its
// age or size: that is for the process that owns the directory to do.
func storeOptions() store.Options {
	o := store.NewDefaultOptions()
	o.Decode = ingest.Decode
	o.MaxAge, o.MaxBytes = 0, 0
	return o
}

// explainStore says what to do about an error of the store.
func explainStore(err error) error {
	var locked *store.LockedError
	switch {
	case errors.As(err, &locked):
		return fmt.Errorf("%w: stop it first; what only reads (inspect, verify, export) works beside it; to import, send to it with --endpoint", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; name the folder that was given to --data-dir", err)
	}
	return err
}

// progress shows how far a long command is, on a terminal only.
type progress struct {
	w     io.Writer // nil: nobody looks
	what  string
	last  time.Time
	shown bool
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = w
	}
	return p
}

// at shows that done of total are done, ten times a second at most.
func (p *progress) at(done, total int64) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = time.Now(), true
	percent := int64(100)
	if total > 0 {
		percent = min(100*done/total, 100)
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s %d %%", p.what, percent)
}

// end takes the progress off the terminal.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// sizeText is a number of bytes for people.
func sizeText(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	v, unit := float64(bytes), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if v /= 1000; v < 999.5 {
			break
		}
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

// plural is a number with its noun.
func plural[N int | int64 | uint64](n N, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun[len(noun)-1] == 'h': // batch
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// timeText is a time in a table: in UTC, as the file formats are.
func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
