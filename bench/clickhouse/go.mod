// ClickHouse as a process, for the benchmarks. A module of its own: nothing else
// loads shared libraries.
module github.com/signalbox-otel/signalbox/bench/clickhouse

go 1.26.0

require github.com/ebitengine/purego v0.11.3
