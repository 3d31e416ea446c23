package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/signalbox-otel/signalbox/internal/archive"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// importSettings is what the flags of `signalbox store import` say.
type importSettings struct {
	dir, endpoint string
	traces, logs  bool
	skip          int
	dryRun        bool
}

func newStoreImport() *cobra.Command {
	var s importSettings
	cmd := &cobra.Command{
		Use:   "import FILE... [--dir DIR | --endpoint URL]",
		Short: "Take in traces and logs from OTLP and Parquet files",
		Long: `Import reads files and keeps what is in them, in a data directory or, with --endpoint,
by sending it to the OTLP/HTTP endpoint of a running Signalbox or collector. Files are

  OTLP JSON      one request, or one on each line as the collector's file exporter
                 and 'signalbox store export' write them
  OTLP protobuf  one request, or the file exporter's with lengths
  Parquet        of 'signalbox store export'

compressed with gzip or zstd, or not. What a file is, its content says.

Every file is read to its end before anything of it is kept: a file that is damaged
is refused whole, and those after it are not begun. When keeping stops on the way (a
full disk, Ctrl-C, an endpoint that is gone) the error says how many requests of the
file are kept; --skip leaves out so many of the first file named.

Records are not compared with those that are there: what is imported twice is there
twice, but for a request of the same bytes as one that the store took shortly before,
which it takes for a sender's second try. Records older than the retention of the
process that uses the directory go at its next start: give it a longer one first.`,
		Example: `  signalbox store import archive/*.parquet
  signalbox store import traces.jsonl.zst --dir /var/lib/signalbox
  signalbox store import otel-dump.json --endpoint http://localhost:4318
  signalbox store import request.pb --traces --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("no file given")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "the data directory, as --data-dir of 'signalbox up' (its default)")
	f.StringVar(&s.endpoint, "endpoint", "", "send to this OTLP/HTTP endpoint instead")
	f.BoolVar(&s.traces, "traces", false, "protobuf files are traces")
	f.BoolVar(&s.logs, "logs", false, "protobuf files are logs")
	f.IntVar(&s.skip, "skip", 0, "leave out so many requests of the first file")
	f.BoolVar(&s.dryRun, "dry-run", false, "read the files, count, and keep nothing")
	cmd.MarkFlagsMutuallyExclusive("dir", "endpoint")
	cmd.MarkFlagsMutuallyExclusive("traces", "logs")
	return cmd
}

// imported counts what was taken.
type imported struct {
	requests      int
	spans, logs   uint64
	oldest        uint64 // Unix nanoseconds; 0: no record yet
	rejected      int64  // by an endpoint, which says why
	rejectedCause string
}

func (i *imported) add(b *store.Batch) {
	i.requests++
	i.spans += uint64(len(b.Spans))
	i.logs += uint64(len(b.Logs))
	note := func(at uint64) {
		if i.oldest == 0 || at < i.oldest {
			i.oldest = at
		}
	}
	for n := range b.Spans {
		note(b.Spans[n].Start)
	}
	for n := range b.Logs {
		note(b.Logs[n].At())
	}
}

// sink keeps a batch.
type sink func(context.Context, *store.Batch) error

func (s *importSettings) run(cmd *cobra.Command, files []string) (err error) {
	options := archive.ReadOptions{Now: time.Now()}
	if s.traces != s.logs {
		options.Kind = kindsOf(s.traces, s.logs)[0]
	}
	ctx := cmd.Context()
	all := &imported{}
	keep, closeSink, err := s.open(all)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeSink()) }()
	skip := s.skip
	for _, file := range files {
		checked := &imported{}
		for b, err := range archive.Read(ctx, file, options) {
			if err != nil {
				return fmt.Errorf("%w; nothing of this file was kept", err)
			}
			checked.add(b)
		}
		if skip > checked.requests {
			return usageError{fmt.Errorf("--skip %d: %s has %s", skip, file, plural(checked.requests, "request"))}
		}
		taken, err := s.file(ctx, file, options, skip, keep)
		all.merge(taken)
		if err != nil {
			return fmt.Errorf("%s: %d of %d requests are kept: %w; to go on from there: --skip %d, with this file first",
				file, skip+taken.requests, checked.requests, err, skip+taken.requests)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s, %s\n", file, plural(taken.requests, "request"),
			plural(taken.spans, "span"), plural(taken.logs, "log record"))
		skip = 0
	}
	all.print(cmd.OutOrStdout(), s.dryRun)
	if all.rejected > 0 {
		return fmt.Errorf("the endpoint rejected %d records: %s", all.rejected, all.rejectedCause)
	}
	return nil
}

func (i *imported) merge(o *imported) {
	i.spans, i.logs = i.spans+o.spans, i.logs+o.logs
	if i.oldest == 0 || o.oldest != 0 && o.oldest < i.oldest {
		i.oldest = o.oldest
	}
}

func (i *imported) print(w io.Writer, dryRun bool) {
	verb := "imported"
	if dryRun {
		verb = "found"
	}
	fmt.Fprintf(w, "%s %s and %s", verb, plural(i.spans, "span"), plural(i.logs, "log record"))
	if i.oldest != 0 {
		fmt.Fprintf(w, "; the oldest is of %s", timeText(time.Unix(0, int64(i.oldest))))
	}
	fmt.Fprintln(w)
}

// file keeps a file's requests but the first few.
func (s *importSettings) file(ctx context.Context, file string, options archive.ReadOptions, skip int, keep sink) (*imported, error) {
	taken := &imported{}
	for b, err := range archive.Read(ctx, file, options) {
		if err != nil {
			return taken, err
		}
		if skip > 0 {
			skip--
			continue
		}
		if err := keep(ctx, b); err != nil {
			return taken, err
		}
		taken.add(b)
	}
	return taken, nil
}

// open returns where batches go.
func (s *importSettings) open(all *imported) (keep sink, closeSink func() error, err error) {
	switch {
	case s.dryRun:
		return func(context.Context, *store.Batch) error { return nil }, func() error { return nil }, nil
	case s.endpoint != "":
		u, err := url.Parse(s.endpoint)
		if err != nil || u.Host == "" {
			return nil, nil, usageError{fmt.Errorf("--endpoint %s: want an address, as http://localhost:4318", s.endpoint)}
		}
		to := &otlpSink{url: strings.TrimRight(s.endpoint, "/"), all: all}
		return to.send, func() error { return nil }, nil
	}
	var args []string
	if s.dir != "" {
		args = []string{s.dir}
	}
	dir, err := storeDir(args)
	if err != nil {
		return nil, nil, err
	}
	st, err := store.Open(dir, storeOptions())
	if err != nil {
		return nil, nil, explainStore(err)
	}
	return func(ctx context.Context, b *store.Batch) error { return appendPatiently(ctx, st, b) }, st.Close, nil
}

// appendPatiently waits while the store is behind with its blocks: an import is
// faster than any sender. A full disk is an error.
func appendPatiently(ctx context.Context, st *store.Store, b *store.Batch) error {
	for {
		err := st.Append(ctx, b)
		var busy *store.OverloadError
		if !errors.As(err, &busy) || busy.DiskFull() {
			return err
		}
		if err := pause(ctx, busy.RetryAfter/10); err != nil {
			return err
		}
	}
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// otlpSink is an OTLP/HTTP server.
type otlpSink struct {
	url string
	all *imported
}

// maxTries is how often a request is sent to a server that says that it is busy.
const maxTries = 10

// send sends a batch, again when the server asks for that.
func (e *otlpSink) send(ctx context.Context, b *store.Batch) error {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write(b.Payload); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	path := "/v1/traces"
	if b.Kind == store.Logs {
		path = "/v1/logs"
	}
	for try := 1; ; try++ {
		again, err := e.post(ctx, e.url+path, body.Bytes(), b.Kind)
		if err == nil || again == 0 || try == maxTries {
			return err
		}
		if err := pause(ctx, again); err != nil {
			return err
		}
	}
}

// post sends one request. again is how long to wait before it is worth another
// try.
func (e *otlpSink) post(ctx context.Context, url string, body []byte, k store.Kind) (again time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return 0, e.partial(answer, k)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = time.Second
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			again = time.Duration(min(max(seconds, 1), 60)) * time.Second
		}
	}
	return again, fmt.Errorf("%s answered %s: %s", url, resp.Status, printable(string(bytes.TrimSpace(answer))))
}

// partial notes the records that a server refused of a request that it took.
func (e *otlpSink) partial(answer []byte, k store.Kind) error {
	if k == store.Spans {
		r := ptraceotlp.NewExportResponse()
		if err := r.UnmarshalProto(answer); err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		e.note(r.PartialSuccess().RejectedSpans(), r.PartialSuccess().ErrorMessage())
		return nil
	}
	r := plogotlp.NewExportResponse()
	if err := r.UnmarshalProto(answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	e.note(r.PartialSuccess().RejectedLogRecords(), r.PartialSuccess().ErrorMessage())
	return nil
}

func (e *otlpSink) note(rejected int64, cause string) {
	if rejected > 0 {
		e.all.rejected += rejected
		e.all.rejectedCause = cause
	}
}
