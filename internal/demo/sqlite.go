package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// schema keeps the newest thousand messages, however long the demo runs.
const schema = `
CREATE TABLE IF NOT EXISTS messages (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	author TEXT NOT NULL,
	message TEXT NOT NULL,
	date INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS keep_newest AFTER INSERT ON messages BEGIN
	DELETE FROM messages WHERE id <= NEW.id - 1000;
END`

const (
	insertSQL = "INSERT INTO messages (author, message, date) VALUES (?, ?, ?)"
	listSQL   = "SELECT author, message, date FROM messages ORDER BY id DESC LIMIT ?"
)

// sqlite keeps messages in a file or in memory, and tells of each query by the
// semantic conventions for database clients.
type sqlite struct {
	*telemetry
	db       *sql.DB
	duration metric.Float64Histogram
}

func openSQLite(ctx context.Context, tel *telemetry, file string) (*sqlite, error) {
	dsn := ":memory:"
	if file != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, fmt.Errorf("opening the guestbook: %w", err)
		}
		dsn = "file:" + (&url.URL{Path: file}).EscapedPath() + "?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(2000)"
	}
	duration, err := newOperationDuration(tel)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("opening the guestbook %s: %w", file, err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer, and each connection to :memory: is its own database
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the guestbook %s: %w", file, err), db.Close())
	}
	return &sqlite{tel, db, duration}, nil
}

// newOperationDuration is the one metric that database clients have to have.
func newOperationDuration(tel *telemetry) (metric.Float64Histogram, error) {
	return tel.metrics.Meter(scope).Float64Histogram("db.client.operation.duration",
		metric.WithUnit("s"), metric.WithDescription("Duration of database client operations."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10))
}

func (s *sqlite) close() error { return s.db.Close() }

func (s *sqlite) insert(ctx context.Context, m message) error {
	return s.query(ctx, "INSERT", insertSQL, func(ctx context.Context, _ trace.Span) error {
		_, err := s.db.ExecContext(ctx, insertSQL, m.Author, m.Message, m.Date)
		return err
	})
}

func (s *sqlite) list(ctx context.Context) ([]message, error) {
	all := []message{} // an empty guestbook is [], not null
	err := s.query(ctx, "SELECT", listSQL, func(ctx context.Context, span trace.Span) error {
		rows, err := s.db.QueryContext(ctx, listSQL, maxListed)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m message
			if err := rows.Scan(&m.Author, &m.Message, &m.Date); err != nil {
				return err
			}
			all = append(all, m)
		}
		span.SetAttributes(semconv.DBResponseReturnedRows(len(all)))
		return rows.Err()
	})
	return all, err
}

// query runs one database operation in a span of its own.
func (s *sqlite) query(ctx context.Context, operation, text string, run func(context.Context, trace.Span) error) error {
	attributes := []attribute.KeyValue{
		semconv.DBSystemNameSQLite,
		semconv.DBNamespace("guestbook"),
		semconv.DBCollectionName("messages"),
		semconv.DBOperationName(operation),
	}
	start := time.Now()
	ctx, span := s.tracer.Start(ctx, operation+" messages", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attributes...), trace.WithAttributes(semconv.DBQueryText(text)))
	defer span.End()
	err := run(ctx, span)
	if err != nil {
		kind := semconv.ErrorTypeKey.String(fmt.Sprintf("%T", err))
		span.SetAttributes(kind)
		span.SetStatus(codes.Error, err.Error())
		attributes = append(attributes, kind)
	}
	s.duration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(attributes...))
	return err
}
