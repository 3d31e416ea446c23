// Package logql is a language for log records in the style of LogQL: streams
// chosen by their labels, pipelines that filter and parse lines, and metrics
// computed from what is left.
//
// Parse makes an Expr of text; Engine plans it onto store.Query (time range,
// labels, line filters and label filters that the store can check go down to it)
// and executes what remains on the records that come back. Package server gives
// it Loki's HTTP shapes.
//
// A record's stream labels are the resource attributes that Loki's OTLP endpoint
// makes labels of, with dots as underscores, those that the resource names in
// loki.resource.labels, and always service_name. Everything else of a record is
// structured metadata: a label in pipelines and answers, but not in selectors. A
// body with structure is a line of JSON.
//
// Invariants: what the store is asked for holds all records that the pipeline
// lets through; text from users never makes it panic; a question has budgets of
// records, time, series, values held and template output, and an answer that
// lacks records says so in its store.Report; what an Expr prints parses again to
// the same.
package logql
