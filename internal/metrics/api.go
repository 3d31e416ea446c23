package metrics

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// Limits of remote read: the defaults of a Prometheus server.
const (
	remoteReadSampleLimit     = 50_000_000
	remoteReadConcurrency     = 10
	remoteReadMaxBytesInFrame = 1 << 20
)

// newAPI makes the library's HTTP API. It takes a tenth of a second, for a
// description of itself, which programs without HTTP need not wait for.
func (db *DB) newAPI() http.Handler {
	router := route.New()
	db.construct().Register(router)
	return http.StripPrefix(apiPath, router)
}

// construct calls the library's constructor, the only place that knows its
// parameters by position.
func (db *DB) construct() *v1.API {
	none := nothing{}
	build := &v1.PrometheusVersion{
		Version: cmp.Or(db.opts.Build.Version, prometheusVersion()), Revision: db.opts.Build.Revision, Branch: db.opts.Build.Branch,
		BuildUser: db.opts.Build.User, BuildDate: db.opts.Build.Date, GoVersion: runtime.Version(),
	}
	return v1.NewAPI(
		db.engine, db.tsdb,
		remoteAppendable{db}, db.appendable,
		db.tsdb, // exemplars
		func(context.Context) v1.ScrapePoolsRetriever { return none },
		func(context.Context) v1.TargetRetriever { return none },
		func(context.Context) v1.AlertmanagerRetriever { return none },
		func() config.Config { return db.config },
		db.flags(),
		v1.GlobalURLOptions{},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, // Handler has asked already
		adminStats{db.tsdb},
		db.dir,
		false,    // admin endpoints: deleting is not for everyone who may read
		false, 0, // search endpoints
		db.log.With("part", "api"),
		func(context.Context) v1.RulesRetriever { return none },
		remoteReadSampleLimit, remoteReadConcurrency, remoteReadMaxBytesInFrame,
		false, // agent
		noOrigin,
		db.runtimeInfo,
		build,
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		db.opts.Gatherer, db.opts.Registerer,
		nil,  // stats renderer: the default
		true, // remote write
		remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType},
		false, false, false, // OTLP and its two delta modes: serveOTLP answers instead
		false, // zero samples at start timestamps
		db.opts.Lookback,
		false, // type and unit as labels
		true,  // metadata of remote write 2: remoteAppender keeps it
		nil,   // error codes: the defaults
		db.features,
		v1.OpenAPIOptions{Version: db.opts.Build.Version},
		db.parser,
	)
}

// prometheusVersion is the release of the Prometheus library in this program,
// by which clients such as Grafana choose what they ask for; "" in tests, which
// do not know their modules.
func prometheusVersion() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/prometheus/prometheus" {
			return releaseOf(dep.Version)
		}
	}
	return ""
}

// releaseOf is the release that a version of Prometheus' module is made from:
// v0.313.1 of 3.13.1.
func releaseOf(module string) string {
	var minor, patch int
	if _, err := fmt.Sscanf(module, "v0.%d.%d", &minor, &patch); err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", minor/100, minor%100, patch)
}

// apiConfig is what /api/v1/status/config prints and what the OTLP translation
// is set by.
func apiConfig(o Options) config.Config {
	c := config.DefaultConfig
	c.OTLPConfig.PromoteResourceAttributes = slices.Clone(o.PromotedAttributes)
	return c
}

// flags are the options under the names that Prometheus' flags have.
func (db *DB) flags() map[string]string {
	return map[string]string{
		"storage.tsdb.path":                db.dir,
		"storage.tsdb.retention.time":      db.opts.MaxAge.String(),
		"storage.tsdb.retention.size":      fmt.Sprintf("%dB", db.opts.MaxBytes),
		"query.lookback-delta":             db.opts.Lookback.String(),
		"query.max-concurrency":            fmt.Sprint(db.opts.QueryConcurrency),
		"query.max-samples":                fmt.Sprint(db.opts.MaxSamples),
		"query.timeout":                    db.opts.QueryTimeout.String(),
		"web.cors.origin":                  "^$",
		"web.enable-admin-api":             "false",
		"web.enable-otlp-receiver":         "true",
		"web.enable-remote-write-receiver": "true",
	}
}

// runtimeInfo answers /api/v1/status/runtimeinfo.
func (db *DB) runtimeInfo() (v1.RuntimeInfo, error) {
	info := v1.RuntimeInfo{
		StartTime:           db.born,
		ServerTime:          db.now().UTC(),
		ReloadConfigSuccess: true,
		LastConfigTime:      db.born,
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		GOMEMLIMIT:          debug.SetMemoryLimit(-1),
		GOGC:                os.Getenv("GOGC"),
		GODEBUG:             os.Getenv("GODEBUG"),
		StorageRetention:    db.opts.MaxAge.String(),
	}
	if db.opts.MaxBytes > 0 {
		info.StorageRetention += fmt.Sprintf(" or %dB", db.opts.MaxBytes)
	}
	var err error
	if info.Hostname, err = os.Hostname(); err != nil {
		return info, fmt.Errorf("reading the host's name: %w", err)
	}
	if info.CWD, err = os.Getwd(); err != nil {
		return info, fmt.Errorf("reading the working directory: %w", err)
	}
	families, err := db.opts.Gatherer.Gather()
	if err != nil {
		return info, fmt.Errorf("gathering metrics: %w", err)
	}
	for _, f := range families {
		if f.GetName() == "prometheus_tsdb_wal_corruptions_total" && len(f.GetMetric()) > 0 {
			info.CorruptionCount = int64(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return info, nil
}

// nothing answers for the scraping, alerting and rules that do not happen here:
// the collector scrapes, and pushes what it found.
type nothing struct{}

func (nothing) ScrapePools() []string { return []string{} }

func (nothing) TargetsActive() map[string][]*scrape.Target { return map[string][]*scrape.Target{} }

func (nothing) TargetsDropped() map[string][]*scrape.Target { return map[string][]*scrape.Target{} }

func (nothing) TargetsDroppedCounts() map[string]int { return map[string]int{} }

func (nothing) ScrapePoolConfig(pool string) (*config.ScrapeConfig, error) {
	return nil, fmt.Errorf("no scrape pool %q: the collector scrapes", pool)
}

func (nothing) Alertmanagers() []*url.URL { return []*url.URL{} }

func (nothing) DroppedAlertmanagers() []*url.URL { return []*url.URL{} }

func (nothing) RuleGroups() []*rules.Group { return []*rules.Group{} }

func (nothing) AlertingRules() []*rules.AlertingRule { return []*rules.AlertingRule{} }

// adminStats gives the TSDB the shape that the library's API wants.
type adminStats struct{ *tsdb.DB }

// Stats implements v1.TSDBAdminStats.
func (a adminStats) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

// WALReplayStatus implements v1.TSDBAdminStats: the log was replayed in Open.
func (a adminStats) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{}, nil
}

// BlockMetas implements v1.TSDBAdminStats.
func (a adminStats) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }
