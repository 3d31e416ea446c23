package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/archive"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/server"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// exportSettings is what the flags of `signalbox store export` say.
type exportSettings struct {
	format, out       string
	traces, logs      bool
	start, end, where string
}

// The formats of an export.
const (
	formatParquet = "parquet"
	formatJSON    = "otlp-json"
)

// errPartial ends an export that lacks what could not be read. It was named.
var errPartial = errors.New("the export lacks what is damaged; 'signalbox store verify' says more, 'signalbox store repair' saves what can be saved")

func newStoreExport() *cobra.Command {
	var s exportSettings
	cmd := &cobra.Command{
		Use:   "export [DIR] --format FORMAT --out DIR|FILE|-",
		Short: "Write traces and logs to files that other programs read",
		Long: `Export writes what a data directory holds to files:

  parquet    a folder with a file for each hour (UTC): traces-2026-11-20T13.parquet,
             logs-….parquet. With --traces or --logs, a FILE.parquet of all of them.
             DuckDB, Spark, pandas and ClickHouse read them.
  otlp-json  lines of OTLP JSON, each a request of at most 1,000 records, as the
             collector's file exporter writes them; what ends in .gz or .zst is
             compressed, - is stdout. A folder gets traces.jsonl.zst and
             logs.jsonl.zst.

'signalbox store import' takes both back, and the records are the same. Records come
in no particular order.

It reads a snapshot: all that was acknowledged when it began. It works beside a
process that uses the directory, and nothing but one row group is held in memory
beside the log. A file has its name only when it is whole.

--where is a condition as for 'signalbox query traces'; docs/query.md has them all.`,
		Example: `  signalbox store export --format parquet --out archive/
  signalbox store export --format otlp-json --traces --start now-1h --out last-hour.jsonl.zst
  signalbox store export --format otlp-json --logs --where 'severity >= error' --out - | jq .
  signalbox store export /var/lib/signalbox --format parquet --traces --where 'resource.service.name = "cart"' --out cart.parquet`,
		Args: atMostOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	f := cmd.Flags()
	choiceFlag(cmd, choice{&s.format, []string{formatParquet, formatJSON}, "format"}, "format", "", "what to write: ")
	f.StringVar(&s.out, "out", "", "the folder or file to write to; - is stdout")
	f.BoolVar(&s.traces, "traces", false, "only traces")
	f.BoolVar(&s.logs, "logs", false, "only logs")
	f.StringVar(&s.start, "start", "", "records from this time on: RFC 3339, Unix seconds, or now-2h")
	f.StringVar(&s.end, "end", "", "records before this time")
	f.StringVar(&s.where, "where", "", "records that satisfy this condition; with --traces or --logs")
	return cmd
}

// selection turns the flags into what is to be exported.
func (s *exportSettings) selection() (*archive.Selection, error) {
	sel := &archive.Selection{Kinds: kindsOf(s.traces, s.logs)}
	if s.where != "" {
		if len(sel.Kinds) != 1 {
			return nil, usageError{errors.New("--where wants --traces or --logs: fields of the two differ")}
		}
		where, err := query.Parse(sel.Kinds[0], s.where)
		var syntax *query.SyntaxError
		if errors.As(err, &syntax) {
			return nil, usageError{errors.New("--where:\n" + syntax.Caret())}
		}
		if err != nil {
			return nil, err
		}
		sel.Where = map[store.Kind]store.Expr{sel.Kinds[0]: where}
	}
	for _, bound := range []struct {
		flag, text string
		to         *uint64
	}{{"start", s.start, &sel.Start}, {"end", s.end, &sel.End}} {
		if bound.text == "" {
			continue
		}
		t, err := server.ParseTime(bound.text, time.Now())
		if err != nil {
			return nil, usageError{fmt.Errorf("--%s: %w", bound.flag, err)}
		}
		*bound.to = uint64(t.UnixNano())
	}
	return sel, nil
}

// kindsOf are the kinds that two flags name; without any, both.
func kindsOf(traces, logs bool) []store.Kind {
	switch {
	case traces == logs:
		return []store.Kind{store.Spans, store.Logs}
	case traces:
		return []store.Kind{store.Spans}
	}
	return []store.Kind{store.Logs}
}

func (s *exportSettings) run(cmd *cobra.Command, args []string) error {
	if s.format == "" || s.out == "" {
		return usageError{errors.New("say what to write with --format, and where with --out")}
	}
	if s.format == formatParquet && s.out == "-" {
		return usageError{errors.New("Parquet is no stream: name a folder or a file with --out")}
	}
	if strings.HasSuffix(s.out, ".parquet") && s.traces == s.logs {
		return usageError{errors.New("traces and logs have columns of their own: name one of them, or a folder")}
	}
	sel, err := s.selection()
	if err != nil {
		return err
	}
	dir, err := storeDir(args)
	if err != nil {
		return err
	}
	src, err := store.OpenReadOnly(dir, storeOptions())
	if err != nil {
		return explainStore(err)
	}
	defer src.Close()
	start := time.Now()
	e, err := s.write(cmd, src, sel)
	if err != nil {
		return err
	}
	for _, c := range src.Unreadable {
		e.Unreadable = append(e.Unreadable, c.Error())
	}
	s.report(cmd.ErrOrStderr(), e, time.Since(start))
	for _, l := range src.Lost {
		fmt.Fprintf(cmd.ErrOrStderr(), "missing since earlier, as the directory has been damaged: %s of %s\n", plural(l.Records, "record"), l.File)
	}
	if len(e.Unreadable) > 0 {
		return errPartial
	}
	return nil
}

// write writes the files.
func (s *exportSettings) write(cmd *cobra.Command, src *store.ReadOnly, sel *archive.Selection) (*archive.Exported, error) {
	p := newProgress(cmd.ErrOrStderr(), "exporting")
	defer p.end()
	ctx := cmd.Context()
	total, err := archive.Count(ctx, src, sel)
	if err != nil {
		return nil, err
	}
	progress := func(records uint64) { p.at(int64(records), int64(total)) }
	if s.format == formatParquet {
		return archive.WriteParquet(ctx, src, sel, s.out, progress)
	}
	if info, err := os.Stat(s.out); !strings.HasSuffix(s.out, "/") && (err != nil || !info.IsDir()) {
		return archive.WriteOTLPJSON(ctx, src, sel, s.out, cmd.OutOrStdout(), progress)
	}
	all := &archive.Exported{}
	for _, k := range sel.Kinds {
		one := *sel
		one.Kinds = []store.Kind{k}
		name := "traces.jsonl.zst"
		if k == store.Logs {
			name = "logs.jsonl.zst"
		}
		e, err := archive.WriteOTLPJSON(ctx, src, &one, filepath.Join(s.out, name), nil, progress)
		if err != nil {
			return nil, err
		}
		all.Add(e)
	}
	return all, nil
}

// report says what was written, on stderr: stdout may be the export.
func (s *exportSettings) report(w io.Writer, e *archive.Exported, took time.Duration) {
	bytes := int64(0)
	for _, f := range e.Files {
		bytes += f.Bytes
		if f.File != "-" {
			fmt.Fprintf(w, "%s: %s, %s\n", f.File, plural(f.Records, "record"), sizeText(f.Bytes))
		}
	}
	fmt.Fprintf(w, "exported %s and %s, %s, in %s\n", plural(e.Spans, "span"), plural(e.Logs, "log record"), sizeText(bytes), formatDuration(took))
	if e.Foreign > 0 {
		what := "rows have text that is not UTF-8: it is whole in the column otlp"
		if s.format == formatJSON {
			what = "lines have text that is not UTF-8, as it was received: strict readers of JSON refuse them"
		}
		fmt.Fprintf(w, "%d %s\n", e.Foreign, what)
	}
	for _, u := range e.Unreadable {
		fmt.Fprintf(w, "not readable: %s\n", u)
	}
}
