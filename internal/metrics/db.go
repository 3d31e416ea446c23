package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/prometheus/prometheus/util/features"
)

// DB is the metrics database of one directory. Its methods may be called at the
// same time; after Close they return ErrClosed.
type DB struct {
	dir  string
	opts Options
	log  *slog.Logger
	now  func() time.Time
	born time.Time

	tsdb        *tsdb.DB
	appendable  storage.AppendableV2 // tsdb, but for tests
	engine      *promql.Engine
	parser      parser.Parser
	features    features.Collector
	translation prometheusremotewrite.Settings
	config      config.Config
	deltas      *deltas
	metadata    *metadataStore
	room        *room
	telemetry   *telemetry
	complaints  *complaints
	api         func() http.Handler // the library's API, made when it is first asked

	ctx     context.Context // ends when Close begins
	cancel  context.CancelFunc
	keeper  sync.WaitGroup // the goroutine that saves metadata
	closers []io.Closer    // closed last to first

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup // calls in flight; added to with mu held
}

// metadataInterval is how often changed metadata is written to disk.
const metadataInterval = 10 * time.Second

// metadataSlack keeps the metadata of a metric a little longer than its last
// sample, which blocks keep until all of their samples are too old.
const metadataSlack = 48 * time.Hour

// Open opens the database in dir and makes it when it is not there. A log that
// was damaged is cut before the damage and a block that cannot be read is set
// aside; both are logged and counted. A directory that is in use gives a
// *LockedError.
func Open(dir string, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("checking metrics options: %w", err)
	}
	o = o.filled()
	db := &DB{dir: dir, opts: o, log: o.Logger, now: time.Now, born: time.Now()}
	db.ctx, db.cancel = context.WithCancel(context.Background())
	if err := db.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening metrics in %s: %w", dir, err), db.release())
	}
	db.keeper.Go(db.keepMetadata)
	return db, nil
}

// open takes the lock and opens the parts in their order.
func (db *DB) open() error {
	if err := db.lock(); err != nil {
		return err
	}
	db.telemetry = newTelemetry(db.opts.Registerer)
	db.complaints = &complaints{interval: time.Minute, now: db.now}
	db.room = newRoom(db.dir, db.opts.MinFreeBytes)
	corrupt, err := quarantine(db.dir, db.log)
	if err != nil {
		return err
	}
	db.telemetry.corruptBlocks.Add(float64(corrupt))
	if db.metadata, err = openMetadata(db.dir, db.now, db.telemetry.metadataDropped.Inc); db.metadata == nil {
		return err
	} else if err != nil {
		db.log.Warn("the metric metadata could not be read and starts anew", "file", metadataFile, "error", err)
	}
	db.features = features.NewRegistry()
	if db.tsdb, err = tsdb.Open(db.dir, slog.New(tsdbLog{db.log.Handler()}).With("part", "tsdb"), db.opts.Registerer, tsdbOptions(db.opts, db.features), nil); err != nil {
		return err
	}
	db.closers = append(db.closers, db.tsdb)
	db.appendable = db.tsdb
	if db.deltas, err = newDeltas(db.opts); err != nil {
		return err
	}
	db.closers = append(db.closers, closerFunc(db.deltas.close))
	if err := db.openEngine(); err != nil {
		return err
	}
	db.config = apiConfig(db.opts)
	db.translation = translation(db.config.OTLPConfig, db.opts.Lookback)
	db.api = sync.OnceValue(db.newAPI)
	return nil
}

// lock takes the directory's lock. It is Prometheus' own lock file, so that a
// Prometheus server on the same directory is kept out as well; we hold it
// ourselves because blocks are looked at before the TSDB opens.
func (db *DB) lock() error {
	if err := os.MkdirAll(db.dir, 0o755); err != nil {
		return err
	}
	// Its warning about a file left by an earlier process is no news: the
	// kernel's lock decides, not the file.
	locker, err := tsdbutil.NewDirLocker(db.dir, "tsdb", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	if err := locker.Lock(); err != nil {
		dir, absErr := filepath.Abs(db.dir)
		if absErr != nil {
			dir = db.dir
		}
		return &LockedError{Dir: dir, Err: err}
	}
	db.closers = append(db.closers, closerFunc(locker.Release))
	return nil
}

// tsdbOptions are those of a Prometheus server, with exemplars and late samples.
func tsdbOptions(o Options, f features.Collector) *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.NoLockfile = true // we hold it
	t.WALCompression = compression.Snappy
	t.RetentionDuration = o.MaxAge.Milliseconds()
	t.MaxBytes = o.MaxBytes
	t.EnableExemplarStorage = true
	// Locks for series, of which the default for very large servers has 5 MB.
	t.StripeSize = 1 << 11
	t.MaxExemplars = o.MaxExemplars
	t.OutOfOrderTimeWindow = o.OutOfOrderWindow.Milliseconds()
	t.FeatureRegistry = f
	// As in Prometheus: a block may span a tenth of the retention, 31 days at most.
	t.MaxBlockDuration = min(31*24*time.Hour, o.MaxAge/10).Milliseconds()
	t.MaxBlockDuration = max(t.MaxBlockDuration, t.MinBlockDuration)
	return t
}

// openEngine starts PromQL.
func (db *DB) openEngine() error {
	// Functions that Prometheus still calls experimental are on: info() is how
	// resource attributes of target_info are joined.
	db.parser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
	db.parser.RegisterFeatures(db.features)
	tracker, err := promql.NewActiveQueryTracker(db.dir, db.opts.QueryConcurrency, db.log)
	if err != nil {
		return err
	}
	db.closers = append(db.closers, tracker)
	db.engine = promql.NewEngine(promql.EngineOpts{
		Logger:               db.log.With("part", "promql"),
		Reg:                  db.opts.Registerer,
		MaxSamples:           db.opts.MaxSamples,
		Timeout:              db.opts.QueryTimeout,
		ActiveQueryTracker:   tracker,
		LookbackDelta:        db.opts.Lookback,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		EnablePerStepStats:   true,
		FeatureRegistry:      db.features,
		Parser:               db.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return time.Duration(config.DefaultGlobalConfig.EvaluationInterval).Milliseconds()
		},
	})
	return nil
}

// translation are the settings for OTLP. Names and labels are Prometheus'
// defaults: other characters become underscores, unit and type become suffixes.
func translation(c config.OTLPConfig, lookback time.Duration) prometheusremotewrite.Settings {
	return prometheusremotewrite.Settings{
		AddMetricSuffixes:                    c.TranslationStrategy.ShouldAddSuffixes(),
		AllowUTF8:                            !c.TranslationStrategy.ShouldEscape(),
		PromoteResourceAttributes:            prometheusremotewrite.NewPromoteResourceAttributes(c),
		LookbackDelta:                        lookback,
		LabelNameUnderscoreSanitization:      c.LabelNameUnderscoreSanitization,
		LabelNamePreserveMultipleUnderscores: c.LabelNamePreserveMultipleUnderscores,
	}
}

// keepMetadata saves changed metadata until Close begins.
func (db *DB) keepMetadata() {
	tick := time.NewTicker(metadataInterval)
	defer tick.Stop()
	for {
		select {
		case <-db.ctx.Done():
			return
		case <-tick.C:
			if err := db.saveMetadata(); err != nil && db.complaints.allow() {
				db.log.Warn("metric metadata is not on disk", "error", err)
			}
		}
	}
}

func (db *DB) saveMetadata() error {
	return db.metadata.save(db.now().Add(-db.opts.MaxAge - metadataSlack))
}

// acquire keeps the database open until the returned function is called.
func (db *DB) acquire() (func(), error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, ErrClosed
	}
	db.users.Add(1)
	return db.users.Done, nil
}

// acquireQuery is acquire for work that Close should interrupt: the returned
// context ends when Close begins.
func (db *DB) acquireQuery(ctx context.Context) (context.Context, func(), error) {
	release, err := db.acquire()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(db.ctx, cancel)
	return ctx, func() { stop(); cancel(); release() }, nil
}

// Close interrupts queries, waits for batches being written, and closes the
// database. Closing twice is no error.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.mu.Unlock()

	db.cancel()
	db.keeper.Wait()
	db.users.Wait()
	return errors.Join(db.saveMetadata(), db.release())
}

// release closes what open opened, last to first.
func (db *DB) release() error {
	db.cancel()
	var errs []error
	for i := len(db.closers) - 1; i >= 0; i-- {
		errs = append(errs, db.closers[i].Close())
	}
	db.closers = nil
	return errors.Join(errs...)
}

// closerFunc makes a function an io.Closer.
type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// Metadata returns type, help and unit of a metric, latest first. Services may
// disagree, so there can be several; nil means that none is known.
func (db *DB) Metadata(metric string) []Metadata { return db.metadata.get(metric) }

// AllMetadata yields every metric whose metadata is known, in the order of names.
func (db *DB) AllMetadata() iter.Seq2[string, []Metadata] { return db.metadata.all() }

// Stats is the size of a database.
type Stats struct {
	Series        uint64 // in the head, that is of the last hours
	Blocks        int
	BlockBytes    int64
	MinTime       time.Time // of the oldest sample; zero when there is none
	MaxTime       time.Time
	MetadataNames int
}

// Stats returns the size of the database.
func (db *DB) Stats() (Stats, error) {
	release, err := db.acquire()
	if err != nil {
		return Stats{}, err
	}
	defer release()
	head := db.tsdb.Head()
	s := Stats{Series: head.NumSeries(), MetadataNames: db.metadata.size()}
	minMs, maxMs := head.MinTime(), head.MaxTime()
	empty := minMs > maxMs // the head starts with the bounds crossed
	for _, b := range db.tsdb.Blocks() {
		s.Blocks++
		s.BlockBytes += b.Size()
		m := b.Meta()
		if empty {
			minMs, maxMs, empty = m.MinTime, m.MaxTime, false
			continue
		}
		minMs, maxMs = min(minMs, m.MinTime), max(maxMs, m.MaxTime)
	}
	if !empty {
		s.MinTime, s.MaxTime = time.UnixMilli(minMs), time.UnixMilli(maxMs)
	}
	return s, nil
}
