// Package ingest turns OpenTelemetry protocol data into store batches, and
// records back into pdata.
//
// Receivers that keep the bytes of a request hand them to FromWireWithin; a
// pipeline with processors ends in Traces or Logs; log records then get their time
// of Arrived. The store replays its log through Decode. ToTraces and ToLogs serve
// queries.
//
// The bytes are walked by hand, not decoded into pdata: that alone would cost
// as much as storing them. A batch owns its payload: strings are cut from it
// without copying, so the caller must not change the bytes afterwards.
//
// Invariants: Decode gives the same records in the same order as the call that
// made the payload. Every Array and Map in a batch is the bytes of one OTLP
// AnyValue message (see Elements and Entries) that was walked to its end, at
// most maxDepth levels deep. Hostile input ends in a *MalformedError, never in
// a panic, and never takes more memory than a fixed multiple of its length
// (see decoder.spend).
//
// What is accepted, and the records it gives, are those of the collector's
// pdata: fields in any order, unknown fields skipped, the last of repeated
// scalars wins, a message that comes in several pieces is merged, text is not
// checked for UTF-8, ids have their full length or none, and the field 1000 of
// the days of instrumentation libraries stands in for missing scopes. Where
// protobuf would merge the pieces of an array or map value, pdata and this
// package keep the last. The differences: groups are skipped here by protobuf's
// rules, while pdata loses its place in most of them and refuses the request (no
// sender of today writes groups); values nested deeper than maxDepth and
// requests that would swell in memory are refused here.
//
// Entity references of resources are not kept: they only repeat which
// attributes identify the resource.
package ingest
