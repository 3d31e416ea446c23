// Package otlpreceiver is the otlp receiver of the distribution: the
// collector's own, and before its HTTP server what clients from before 2022
// need.
//
// Old SDKs post to /v1/trace and write JSON with the names that OTLP had before
// its release 0.16 (instrumentationLibrarySpans for scopeSpans) or 0.9 (intSum
// for sum, labels for attributes). Today's decoder skips names that it does not
// know: it answers 200, and nothing of the request is kept. Here such a body is
// rewritten to today's names before it is decoded. Bodies in protobuf are not
// touched, nor is JSON in which no old name occurs.
//
// The rewriting is a middleware of the receiver's HTTP server, so that it comes
// after authentication, decompression and the limit of the body's size.
package otlpreceiver
