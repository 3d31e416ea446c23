// Package store is the engine that keeps traces and logs on one machine.
//
// Batches come from package ingest through Append: written to the log, synced,
// then acknowledged, and held in the head until a block is sealed from them.
// Package query reads them back through Store's reader methods (Spans, Logs,
// Trace, Operations, Keys, Values), each on a snapshot of its own. The engine knows bytes, columns and
// time; it knows no OTLP, no HTTP and no Kubernetes.
//
// A record is taken apart into columns, one for each attribute key and type of
// value. The head keeps them in order of arrival; a block is the same columns
// sorted by service, span name and time, in pages of 4,096 rows:
//
//	magic | pages: columns, dictionaries, bloom and gram filters, traces, pre-aggregates | footer | trailer, magic
//
// A query evaluates its condition column by column over both (docs/format/block.md).
//
// Invariants: an acknowledged batch survives a kill at any instant and is
// never there twice; a sealed block never changes; a record read back equals
// the record sent, but for the order of its attributes; unreadable bytes are a
// *CorruptionError and never a wrong answer.
package store
