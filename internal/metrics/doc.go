// Package metrics keeps metrics: the Prometheus TSDB and PromQL engine, embedded.
//
// OpenTelemetry metrics come in through Append, Prometheus remote write and
// OTLP over HTTP through Handler; both translate to series with Prometheus' own
// code, so names and labels are the ones that dashboards of the field expect.
// Package query asks with Query and QueryRange; Handler answers the whole
// Prometheus HTTP API, which package server mounts beside its own.
//
// Invariants: a sample that can never be stored is dropped and counted by its
// reason, and takes no other sample of its batch with it; an error that says
// "send again" means that nothing of the batch was kept; an acknowledged batch
// survives a kill of the process (the log is written, not synced: a power cut
// may take the last seconds); delta metrics are summed up by one accumulator,
// whichever way they came in. Type, unit and help of every metric survive a
// restart and are bounded in number and size.
package metrics
