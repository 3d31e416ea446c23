package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, testOptions())
	appendAll(t, db,
		sum(t, "http.server.requests", pmetric.AggregationTemporalityCumulative, now.Add(-time.Hour), now, 70),
		exponential(t, pmetric.AggregationTemporalityCumulative, now))
	before := vector(t, db, `{job="shop/cart"}`, now)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Append(t.Context(), gauge(t, shop, "queue", now, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: got error %v; want ErrClosed", err)
	}
	if _, _, err := db.Query(t.Context(), "up", now); !errors.Is(err, ErrClosed) {
		t.Errorf("query after close: got error %v; want ErrClosed", err)
	}

	db = open(t, dir, testOptions())
	if d := cmp.Diff(before, vector(t, db, `{job="shop/cart"}`, now)); d != "" {
		t.Errorf("series (-before +after):\n%s", d)
	}
	if got := one(t, db, "histogram_count(rpc_duration_milliseconds)", now); got != 10 {
		t.Errorf("native histogram: got count %g; want 10", got)
	}
	if d := cmp.Diff([]Metadata{{Type: "counter", Help: "Requests answered."}}, db.Metadata("http_server_requests_total")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	c, _ := client(t, db)
	es, err := c.QueryExemplars(t.Context(), "rpc_duration_milliseconds", now.Add(-time.Hour), now)
	if err != nil || len(es) != 1 {
		t.Errorf("exemplars: got %v, %v; want those from before", es, err)
	}
	stats, err := db.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Series != 3 || stats.MetadataNames != 3 || !stats.MaxTime.Equal(now) {
		t.Errorf("got %+v; want 3 series, 3 metrics with metadata, newest sample at %s", stats, now)
	}
}

// Two exemplars of one millisecond, as spans often give: the TSDB keeps one, and a
// restart is silent about the other.
func TestRestartIsSilentAboutTies(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, testOptions())
	md := exponential(t, pmetric.AggregationTemporalityCumulative, now)
	p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).ExponentialHistogram().DataPoints().At(0)
	addExemplar(p.Exemplars(), now, 2)
	appendAll(t, db, md)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var log logs
	o := testOptions()
	o.Logger = log.logger()
	open(t, dir, o)
	if got := log.String(); strings.Contains(got, "WARN") {
		t.Errorf("restart: got warnings\n%s", got)
	}
}

// A process that is killed leaves its files as they are at that moment: what
// was acknowledged is in them.
func TestKillKeepsAcknowledged(t *testing.T) {
	dir, killed := t.TempDir(), filepath.Join(t.TempDir(), "killed")
	db := open(t, dir, testOptions())
	for i := range 20 {
		appendAll(t, db, gauge(t, shop, "queue", now.Add(time.Duration(i-20)*time.Second), float64(i)))
	}
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after := open(t, killed, testOptions())
	if got := one(t, after, "count_over_time(queue_bytes[1m])", now); got != 20 {
		t.Errorf("samples: got %g; want all 20", got)
	}
}

// Close waits for batches in flight; each of them is either stored or refused.
func TestCloseDuringUse(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, testOptions())
	_, url := client(t, db)
	var stored atomic.Int64
	var users sync.WaitGroup
	started := make(chan struct{}, 3)
	for w := range 2 {
		users.Go(func() {
			for i := 0; ; i++ {
				md := gauge(t, map[string]any{"host.name": fmt.Sprint(w)}, "work", now.Add(time.Duration(i)*time.Millisecond-time.Minute), 1)
				if err := db.Append(t.Context(), md); errors.Is(err, ErrClosed) {
					return
				} else if err != nil {
					t.Error(err)
					return
				}
				if stored.Add(1); i == 10 {
					started <- struct{}{}
				}
			}
		})
	}
	users.Go(func() {
		for i := 0; ; i++ {
			res, err := http.Get(url + "/api/v1/query?query=sum(count_over_time(work_bytes[5m]))")
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			if i == 3 {
				started <- struct{}{}
			}
			if res.StatusCode == http.StatusServiceUnavailable {
				return
			}
		}
	})
	for range 3 {
		<-started
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	users.Wait()
	db = open(t, dir, testOptions())
	if got := one(t, db, "sum(count_over_time(work_bytes[10m]))", now.Add(time.Minute)); int64(got) != stored.Load() {
		t.Errorf("samples: got %g; want the %d acknowledged", got, stored.Load())
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, testOptions())
	_, err := Open(dir, testOptions())
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Dir != dir {
		t.Fatalf("got error %v; want a LockedError that names %s", err, dir)
	}
	// The refused one has not taken the lock away.
	if _, err := Open(dir, testOptions()); !errors.As(err, &locked) {
		t.Errorf("third open: got error %v; want a LockedError", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, testOptions())
}

// A damaged log is cut before the damage, says so, and takes new samples.
func TestCorruptLogIsRepaired(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"garbled": func(b []byte) []byte {
			for i := len(b) / 2; i < len(b)/2+64; i++ {
				b[i] ^= 0xa5
			}
			return b
		},
		"truncated": func(b []byte) []byte { return b[:len(b)*2/3] },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir, testOptions())
			for i := range 50 {
				appendAll(t, db, gauge(t, shop, fmt.Sprintf("metric.%d", i), now.Add(-time.Minute), float64(i)))
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
			if err != nil || len(segments) == 0 {
				t.Fatalf("log segments: got %v, %v", segments, err)
			}
			raw, err := os.ReadFile(segments[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(segments[0], damage(bytes.TrimRight(raw, "\x00")), 0o644); err != nil {
				t.Fatal(err)
			}

			o, log := testOptions(), &logs{}
			o.Logger = log.logger()
			db = open(t, dir, o)
			if got := counter(t, o, "prometheus_tsdb_wal_corruptions_total", ""); got != 1 {
				t.Errorf("corruptions counted: got %g; want 1", got)
			}
			if !strings.Contains(log.String(), "Successfully repaired WAL") {
				t.Errorf("the log does not tell of the repair:\n%s", log)
			}
			if got := one(t, db, "metric_0_bytes", now); got != 0 {
				t.Errorf("sample before the damage: got %g; want 0", got)
			}
			appendAll(t, db, gauge(t, shop, "metric.49", now, 7))
			if got := one(t, db, "metric_49_bytes", now); got != 7 {
				t.Errorf("sample after the repair: got %g; want 7", got)
			}
		})
	}
}

// A block that cannot be read is set aside; the others answer.
func TestCorruptBlockIsSetAside(t *testing.T) {
	for _, file := range []string{"index", "meta.json"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir, testOptions())
			old := now.Add(-6 * time.Hour)
			for i := range 25 { // enough for two blocks and a head
				appendAll(t, db, gauge(t, shop, "queue", old.Add(time.Duration(i)*15*time.Minute), float64(i)))
			}
			if err := db.tsdb.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			blocks := db.tsdb.Blocks()
			if len(blocks) < 2 {
				t.Fatalf("got %d blocks; want two or more", len(blocks))
			}
			victim := blocks[0].Dir()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(victim, file), []byte("garbage"), 0o644); err != nil {
				t.Fatal(err)
			}

			o, log := testOptions(), &logs{}
			o.Logger = log.logger()
			db = open(t, dir, o)
			if got := counter(t, o, "signalbox_metrics_corrupt_blocks_total", ""); got != 1 {
				t.Errorf("corrupt blocks: got %g; want 1", got)
			}
			if !strings.Contains(log.String(), filepath.Base(victim)+corruptSuffix) {
				t.Errorf("the log does not name the block:\n%s", log)
			}
			if _, err := os.Stat(victim + corruptSuffix); err != nil {
				t.Errorf("the block is not kept aside: %v", err)
			}
			if got := one(t, db, "queue_bytes", now); got != 24 {
				t.Errorf("newest sample: got %g; want 24", got)
			}
		})
	}
}

func TestCorruptMetadataIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, metadataFile)
	if err := os.WriteFile(path, []byte(`{"version":`), 0o644); err != nil {
		t.Fatal(err)
	}
	o, log := testOptions(), &logs{}
	o.Logger = log.logger()
	db := open(t, dir, o)
	if !strings.Contains(log.String(), "starts anew") {
		t.Errorf("the log does not tell:\n%s", log)
	}
	if _, err := os.Stat(path + ".corrupt"); err != nil {
		t.Errorf("the file is not kept aside: %v", err)
	}
	appendAll(t, db, gauge(t, nil, "queue", now, 1))
	if got := db.Metadata("queue_bytes"); len(got) != 1 {
		t.Errorf("metadata noted after: got %v; want one", got)
	}
}
