// Package otlpreceiver is the otlp receiver of the distribution: the
// collector's own, and before its HTTP server what clients from before 2022
// need.
//
// Old SDKs post to /v1/trace and write JSON with the names that OTLP had before
// its release 0.16 (instrumentationLibrarySpans for scopeSpans) or 0.9 (intSum
// for sum, labels for attributes). Today's decoder skips names that it does not
// know: it answers 200, and nothing of the request is kept. In protobuf, spans and
// logs have kept their numbers, but metrics of before 0.9 have not: whole numbers
// had messages of their own, and all labels were at another place. Here such
// requests are rewritten to today's form before they are decoded. Those without
// anything old pass as they are.
//
// The rewriting is a middleware of the receiver's HTTP server, after
// authentication, decompression and the limit of the body's size, and the codec
// of its gRPC server.
package otlpreceiver
