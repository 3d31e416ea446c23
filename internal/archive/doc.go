// Package archive moves traces and logs between the store and files that other
// programs read: OTLP as JSON lines, and Parquet.
//
// An export reads a store through Source, a snapshot opened for reading, and
// ends in files or a stream; an import reads files through Read, as batches that
// package store appends or an OTLP receiver is sent.
//
// Invariants: what was exported and is imported again is the same records, up to
// the order of their attributes; nothing is read into memory whole but one
// request, or one row group of Parquet; a file has its name only when it is
// whole.
package archive
