// Package opencensusexporter is the exporter opencensus of the distribution: it
// sends traces and metrics in OpenCensus' agent protocol over gRPC.
//
// Traces and metrics of a pipeline enter here and leave to an OpenCensus agent, or
// to a collector with the receiver opencensus. Queue, retry and timeout are
// exporterhelper's.
//
// The protocol is streams without acknowledgement: that a message could be sent
// says that it is on its way. What a stream's end says is counted, and with
// confirm every request has a stream of its own, whose end is its answer.
//
// Invariants: every message says who sends; at most num_workers streams are open
// for a signal; a message that could not be sent is sent again on another stream;
// an attempt ends when its timeout does, even while the peer reads nothing.
package opencensusexporter
