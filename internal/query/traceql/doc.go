// Package traceql answers TraceQL: sets of spans picked out of whole traces by
// conditions, by their place in the trace and by aggregates, and metrics over
// time of such spans.
//
// It sits above package query, whose engine reads the records within its
// budget, and below package server, which gives it the queries of Tempo's API.
// Parse makes a Query of text; Engine.Search and Engine.Metrics execute it: what
// of a query one record can tell is pushed down as store.Query, the traces found
// are read whole in bounded batches, newest first, and evaluated one by one.
//
// Invariants: what is pushed down never rules out a trace that the query holds
// for; text from users never makes it panic; a Query is read-only and may be
// executed by several at the same time; every answer carries a store.Report.
package traceql
