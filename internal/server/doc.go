// Package server is the HTTP side of a running Signalbox: its own query API
// under /api/signalbox/v1, the APIs of Jaeger, Tempo, Loki and Prometheus that
// others' tools speak, and the page. Jaeger's gRPC API comes to the same port: the
// http.Server in front must speak Protocols. Loki's API also takes log records in,
// which go to the store through Deps.Appender.
//
// It parses requests, calls package query and writes answers; it decides
// nothing about data. Every path is a line of the route table (Server.routes),
// from which the mux, the request metrics and the test of openapi.yaml are made.
//
// A process that makes a load has it behind Load, and may have nothing else.
//
// Invariants: errors become status codes in one function (problemOf); a panic in
// a handler is answered, logged and counted and never ends the process; a long
// answer is streamed, and one that breaks off says so in its last field; what a
// request may cost (URL, body, rows, time, open streams) is bounded; a request
// that changes something is refused when a page of another origin sent it.
package server
