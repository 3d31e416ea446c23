package app

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/store"
)

func newStoreInspect() *cobra.Command {
	var output string
	var pages bool
	cmd := &cobra.Command{
		Use:   "inspect [DIR | BLOCK]",
		Short: "List the blocks, log segments and damaged files of a data directory",
		Long: `Inspect lists what a data directory holds. With the file of a block it lists the
block's columns: how their values are written, and what they take on disk.

It only reads, and works beside a process that uses the directory. Names in
brackets are fixed columns; docs/format says what is in each.`,
		Example: `  signalbox store inspect
  signalbox store inspect /var/lib/signalbox -o json
  signalbox store inspect /var/lib/signalbox/store/spans-000000000001-000000000064.block
  signalbox store inspect spans-000000000001-000000000064.block --pages`,
		Args: atMostOne("DIR or BLOCK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if info, err := os.Stat(args[0]); err == nil && !info.IsDir() {
					return inspectBlock(cmd, args[0], pages, output)
				}
			}
			if pages {
				return usageError{fmt.Errorf("--pages wants the file of a block")}
			}
			dir, err := storeDir(args)
			if err != nil {
				return err
			}
			inv, err := store.Inspect(dir, storeOptions())
			if err != nil {
				return explainStore(err)
			}
			if output == "json" {
				return writeJSON(cmd.OutOrStdout(), inv)
			}
			return printInventory(cmd.OutOrStdout(), inv)
		},
	}
	cmd.Flags().BoolVar(&pages, "pages", false, "list every page of the block, in the order in which they are in the file")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func printInventory(w io.Writer, inv *store.Inventory) error {
	width, st := terminalOf(w)
	fmt.Fprintf(w, "%s, store %s\n", inv.Dir, inv.StoreID)
	if inv.Manifest != "" {
		fmt.Fprintln(w, st.bad("MANIFEST: "+inv.Manifest+"; the blocks below are those that there are"))
	}
	fmt.Fprintln(w)
	t := newTable(">RECORDS", ">SIZE", ">B/RECORD", "OLDEST", "NEWEST", ">FORMAT", "BLOCK")
	records, bytes := map[string]int{}, map[string]int64{}
	for _, b := range inv.Blocks {
		name := b.File
		if b.Problem != "" {
			name += ": " + b.Problem
		}
		t.add(strconv.Itoa(b.Records), sizeText(b.Bytes), perRecord(b.Bytes, b.Records), timeText(b.Oldest), timeText(b.Newest),
			strconv.Itoa(b.Version), name)
		records[b.Kind] += b.Records
		bytes[b.Kind] += b.Bytes
	}
	if err := t.writeOr(w, width, st, "No blocks."); err != nil {
		return err
	}
	for _, kind := range slices.Sorted(maps.Keys(records)) {
		fmt.Fprintf(w, "%s: %d in blocks, %s, %s B each\n", kind, records[kind], sizeText(bytes[kind]), perRecord(bytes[kind], records[kind]))
	}
	fmt.Fprintln(w)
	t = newTable(">BATCHES", ">NOT IN A BLOCK", ">SIZE", "LOG SEGMENT")
	for _, s := range inv.Segments {
		name := s.File
		if s.Problem != "" {
			name += ": " + s.Problem
		} else if s.Torn > 0 {
			name += fmt.Sprintf(" (%d bytes at its end are no whole record)", s.Torn)
		}
		batches := "0"
		if s.Last >= s.First {
			batches = fmt.Sprintf("%d-%d", s.First, s.Last)
		}
		t.add(batches, strconv.Itoa(s.Pending), sizeText(s.Bytes), name)
	}
	if err := t.writeOr(w, width, st, "No log segments."); err != nil {
		return err
	}
	return printFiles(w, width, st, inv)
}

// printFiles lists the files that do not count.
func printFiles(w io.Writer, width int, st style, inv *store.Inventory) error {
	if len(inv.SetAside)+len(inv.Leftovers) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(">SIZE", "OTHER FILES")
	for _, f := range inv.SetAside {
		t.add(sizeText(f.Bytes), f.File+" (set aside because it is damaged: see 'signalbox store repair')")
	}
	for _, f := range inv.Leftovers {
		t.add(sizeText(f.Bytes), f.File+" (not finished, or not in use)")
	}
	return t.write(w, width, st)
}

// perRecord is a share of bytes with one decimal.
func perRecord(bytes int64, records int) string {
	if records == 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(bytes)/float64(records), 'f', 1, 64)
}

func inspectBlock(cmd *cobra.Command, file string, pages bool, output string) error {
	b, err := store.InspectBlock(file, storeOptions(), pages)
	if err != nil {
		return explainStore(err)
	}
	w := cmd.OutOrStdout()
	if output == "json" {
		return writeJSON(w, b)
	}
	fmt.Fprintf(w, "%s: %d records of %s in %s, format version %d\n", b.File, b.Records, b.Kind, sizeText(b.Bytes), b.Version)
	fmt.Fprintf(w, "from %s to %s, %s, %s\n\n", timeText(b.Oldest), timeText(b.Newest), plural(b.Groups, "page group"), servicesText(b.Services))
	if pages {
		return printPages(w, b)
	}
	return printColumns(w, b)
}

func servicesText(n int) string {
	if n == 0 {
		return "services not listed"
	}
	return plural(n, "service")
}

func printColumns(w io.Writer, b *store.BlockDetail) error {
	width, st := terminalOf(w)
	t := newTable(">SIZE", ">B/RECORD", ">VALUES", ">DICTIONARY", ">TEXTS", ">FILTERS", "TYPE", "PAGES", "COLUMN")
	columns := slices.Clone(b.Columns)
	slices.SortStableFunc(columns, func(a, b store.ColumnDetail) int { return int(b.Bytes - a.Bytes) })
	for _, c := range columns {
		dictionary := "-"
		if c.Dictionary.Pages > 0 {
			dictionary = fmt.Sprintf("%d, %s", c.Dictionary.Entries, sizeText(c.Dictionary.Bytes))
		}
		t.add(sizeText(c.Bytes), perRecord(c.Bytes, b.Records), strconv.FormatUint(c.Values, 10), dictionary,
			orDash(c.Texts.Bytes), orDash(c.Bloom.Bytes+c.Grams.Bytes), c.Type, encodingsText(c.Encodings), c.Name)
	}
	if err := t.write(w, width, st); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable(">SIZE", ">B/RECORD", ">ENTRIES", ">PAGES", "PART")
	for _, p := range []struct {
		name string
		store.PartDetail
	}{{"trace index", b.TraceIndex}, {"pre-aggregates by operation and minute", b.Aggregates}, {"footer and frame", b.Footer}} {
		t.add(sizeText(p.Bytes), perRecord(p.Bytes, b.Records), strconv.Itoa(p.Entries), strconv.Itoa(p.Pages), p.name)
	}
	return t.write(w, width, st)
}

func orDash(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return sizeText(bytes)
}

// encodingsText lists how a column's pages are written.
func encodingsText(encodings map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(encodings)) {
		parts = append(parts, fmt.Sprintf("%d %s", encodings[name], name))
	}
	return strings.Join(parts, ", ")
}

func printPages(w io.Writer, b *store.BlockDetail) error {
	width, st := terminalOf(w)
	t := newTable(">OFFSET", ">STORED", ">DECOMPRESSED", "CRC-32C", ">ENTRIES", "PAGE")
	for _, p := range b.Pages {
		t.add(strconv.FormatInt(p.Offset, 10), strconv.Itoa(int(p.Bytes)), strconv.Itoa(int(p.Raw)), p.CRC, strconv.Itoa(int(p.Entries)), p.What)
	}
	return t.write(w, width, st)
}
