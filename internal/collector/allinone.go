package collector

import _ "embed"

// AllInOne is the configuration of `signalbox up`. The query extension's
// directory is left for the command to fill.
//
//go:embed all-in-one.yaml
var AllInOne string

// HostMetrics is merged over AllInOne to collect this machine's metrics too.
//
//go:embed host-metrics.yaml
var HostMetrics string
