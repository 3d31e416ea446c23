// Command engine measures the store beside what others would use: Jaeger with
// Badger, and ClickHouse with the collector's exporter. All are sent the same
// OTLP requests, one after the other on this machine, and are asked the same
// questions; the answers are compared with what was sent.
//
// It builds and fetches the peers by itself, once. It prints figures and judges
// nothing: only what does not work ends it with an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ours is the contender that the others are compared with.
const ours = "signalbox up"

// settings say what is measured.
type settings struct {
	binary          string
	engines         []string
	protocols       []string
	spans           int
	jaegerSpans     int
	clickhouseSpans int
	logs            int
	clickhouseLogs  int
	startSpans      int
	connections     int
	queries         int
	repeat          int
	output          string
	dir             string
	keep            bool
}

// engines are the contenders by the names that -engines takes.
const (
	engineUp         = "up"
	engineStore      = "store"
	engineJaeger     = "jaeger"
	engineClickHouse = "clickhouse"
)

func main() {
	s := settings{}
	engines := flag.String("engines", "up,store,jaeger,clickhouse", "what to measure, in this order: up (signalbox up as it comes), store (it without what peers do not do either), jaeger, clickhouse")
	protocols := flag.String("protocols", "http,grpc", "how to send spans; questions and log records come with the first")
	flag.StringVar(&s.binary, "signalbox", "bin/signalbox", "the `binary` of Signalbox")
	flag.IntVar(&s.spans, "spans", 5_000_000, "spans for Signalbox")
	flag.IntVar(&s.jaegerSpans, "jaeger-spans", 200_000, "spans for Jaeger")
	flag.IntVar(&s.clickhouseSpans, "clickhouse-spans", 1_000_000, "spans for ClickHouse")
	flag.IntVar(&s.logs, "logs", 5_000_000, "log records for Signalbox; 0 measures none")
	flag.IntVar(&s.clickhouseLogs, "clickhouse-logs", 1_000_000, "log records for ClickHouse")
	flag.IntVar(&s.startSpans, "start-spans", 0, "send spans to Signalbox until it has as many, as 50000000, and measure its start; 0 does not")
	flag.IntVar(&s.connections, "connections", 4, "connections to send over")
	flag.IntVar(&s.queries, "queries", 200, "times that each question is asked")
	flag.IntVar(&s.repeat, "repeat", 1, "rounds of everything, in turns; figures are medians")
	flag.StringVar(&s.output, "o", "table", "output: table, or json with all figures of all rounds")
	flag.StringVar(&s.dir, "dir", "", "`folder` for the data, below which a new one is made (default: the system's for temporary files)")
	flag.BoolVar(&s.keep, "keep", false, "keep the data and say where it is")
	flag.Parse()
	s.engines, s.protocols = strings.Split(*engines, ","), strings.Split(*protocols, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/engine:", err)
		os.Exit(1)
	}
}

// check finds mistakes in the flags.
func (s *settings) check() error {
	for _, p := range s.protocols {
		if p != "http" && p != "grpc" {
			return fmt.Errorf("-protocols %s: want http, grpc or both", p)
		}
	}
	if s.output != "table" && s.output != "json" {
		return fmt.Errorf("-o %s: want table or json", s.output)
	}
	if s.queries < 1 || s.repeat < 1 || s.connections < 1 {
		return errors.New("-queries, -repeat and -connections must be at least 1")
	}
	for _, n := range []int{s.spans, s.jaegerSpans, s.clickhouseSpans, s.logs, s.clickhouseLogs} {
		if n != 0 && n < 20_000 {
			return errors.New("fewer than 20000 spans or log records say nothing")
		}
	}
	return nil
}

// contenders makes ready what is to be measured.
func (s *settings) contenders(ctx context.Context) (all []contender, err error) {
	if slices.Contains(s.engines, engineUp) || slices.Contains(s.engines, engineStore) {
		if _, err := os.Stat(s.binary); err != nil {
			return nil, fmt.Errorf("%w: run make build", err)
		}
	}
	for _, engine := range s.engines {
		switch engine {
		case engineUp:
			all = append(all, signalbox(ours, s.binary, "", s.spans, s.logs))
		case engineStore:
			all = append(all, signalbox("store only", s.binary, storeOnly, s.spans, 0))
		case engineJaeger:
			binary, err := buildJaeger(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, jaeger(binary, s.jaegerSpans))
		case engineClickHouse:
			tools, err := prepareClickHouse(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, clickhouse(tools, s.clickhouseSpans, s.clickhouseLogs))
		default:
			return nil, fmt.Errorf("-engines %s: want some of up, store, jaeger, clickhouse", engine)
		}
	}
	return all, nil
}

func (s *settings) run(ctx context.Context) (err error) {
	if err := s.check(); err != nil {
		return err
	}
	contenders, err := s.contenders(ctx)
	if err != nil {
		return err
	}
	b := &bench{settings: *s, begun: time.Now(), figures: figures{}}
	if b.dir, err = os.MkdirTemp(s.dir, "signalbox-engine-"); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if s.keep {
		fmt.Fprintln(os.Stderr, "the data is kept in", b.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	}
	about := s.about(b.begun)
	if err := b.spans(ctx, contenders); err != nil {
		return err
	}
	if err := b.logRecords(ctx, contenders); err != nil {
		return err
	}
	about["loadAfter"] = loadAverage()
	b.figures.sumWrong()
	if s.output == "json" {
		return b.figures.writeJSON(os.Stdout, about)
	}
	fmt.Printf("%v cores, load %v before and %v after; spans: %d, Jaeger %d, ClickHouse %d; log records: %d, ClickHouse %d\n\n", about["cores"],
		about["loadBefore"], about["loadAfter"], s.spans, s.jaegerSpans, s.clickhouseSpans, s.logs, s.clickhouseLogs)
	return b.figures.print(os.Stdout, contenders)
}

// about says how the figures came about.
func (s *settings) about(begun time.Time) map[string]any {
	return map[string]any{"begun": begun.UTC().Format(time.RFC3339), "cores": runtime.NumCPU(), "loadBefore": loadAverage(),
		"spans": s.spans, "jaegerSpans": s.jaegerSpans, "clickhouseSpans": s.clickhouseSpans, "logs": s.logs,
		"clickhouseLogs": s.clickhouseLogs, "startSpans": s.startSpans, "connections": s.connections, "repeat": s.repeat}
}

// loadAverage is how many processes wanted a processor in the last minute.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg") // elsewhere it is not known
	load, _, _ := strings.Cut(string(text), " ")
	return load
}
