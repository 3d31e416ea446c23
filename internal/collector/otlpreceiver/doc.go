// Package otlpreceiver is the otlp receiver of the distribution: the
// collector's own servers, with a way of its own to read requests.
//
// Requests that need no pdata are read as batches, which go to the store beside
// the collector's plumbing (package wire): which those are is decided by package
// collector. All others are decoded into pdata.
//
// Before that comes what clients from before 2022 need. Old SDKs post to /v1/trace
// and write JSON with the names that OTLP had before its release 0.16
// (instrumentationLibrarySpans for scopeSpans) or 0.9 (intSum for sum, labels for
// attributes). Today's decoder skips names that it does not know: it answers 200,
// and nothing of the request is kept. In protobuf, spans and logs have kept their
// numbers, but metrics of before 0.9 have not: whole numbers had messages of their
// own, and all labels were at another place. Here such requests are rewritten to
// today's form before they are decoded. Those without anything old pass as they
// are.
//
// All of it is a middleware of the receiver's HTTP server, after authentication,
// and the codec and an interceptor of its gRPC server.
//
// Invariants: the answer to a request, and every counter of it, are the same
// whichever way it goes. Nothing that a sender can say takes memory beyond a
// fixed multiple of the limit of a body's size (see inflate.go), and all requests
// to a process together are held in a room of fixed size.
package otlpreceiver
