// Package jaegerreceiver is the jaeger receiver of the distribution: contrib's
// for gRPC and HTTP, and UDP listeners of our own in place of contrib's.
//
// Spans of Jaeger's retired clients enter here and leave to the next consumer of
// the pipeline, as OTLP. The configuration is contrib's, unchanged.
//
// The listeners exist because contrib's end the process: an empty datagram makes
// its Thrift transport read through a nil pointer, and a batch in Zipkin's form,
// which the agent's protocol allows, is answered with a panic. Whoever reaches
// the port could end the collector with one packet, from any claimed sender.
//
// Invariants: a datagram costs nothing but itself, whatever is in it; what is not
// passed on is counted with its reason; the queue between socket and pipeline is
// bounded.
package jaegerreceiver
