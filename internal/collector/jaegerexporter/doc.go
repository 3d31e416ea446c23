// Package jaegerexporter is two exporters of the distribution: jaeger, which
// sends spans in Jaeger's protobuf form over gRPC, and jaeger_thrift, which sends
// them as Thrift over HTTP.
//
// Traces of a pipeline enter here and leave to a Jaeger collector, ports 14250
// and 14268. Jaeger has taken OTLP since 1.35; the exporters exist for the
// Jaegers before it, and for configurations that name them. Queue, retry and
// timeout are exporterhelper's. The exporter for OTLP over gRPC gets from here how
// to fall back to Jaeger's protocol where a peer does not know OTLP.
//
// Invariants: one request holds spans of one resource, and over gRPC is no larger
// than Jaeger's own limit unless a single span is; what was delivered is not
// sent again because another resource failed (but by the fallback); what Jaeger refuses for good is
// counted and not repeated.
package jaegerexporter
