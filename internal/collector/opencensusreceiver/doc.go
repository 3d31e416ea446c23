// Package opencensusreceiver is the receiver opencensus of the distribution: the
// agent protocol of OpenCensus, traces and metrics, over gRPC and as JSON over
// HTTP on one port.
//
// Spans and metrics of OpenCensus clients enter here and leave to the next
// consumers as OTLP. The receivers that the pipelines of one configuration have
// are parts of one server.
//
//	POST …TraceService/Export, …MetricsService/Export   streams of messages, HTTP/2
//	POST /v1/trace, /v1/metrics                         messages as JSON, any HTTP
//
// Who sent is said in a stream's first message only, so a stream is followed from
// its beginning; a broken one is the client's to begin again. The protocol has no
// acknowledgement: a client knows that data was refused when its stream ends.
//
// Invariants: a message that has arrived is passed on even if its sender has
// gone; what a stream holds is bounded whatever its sender does; nothing sent
// ends the process; what is not passed on is counted with its reason.
package opencensusreceiver
