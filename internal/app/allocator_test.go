package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/allocator"
	"github.com/signalbox-otel/signalbox/internal/collector"
)

const (
	fleetTargets = 12
	// fleetRun is how many scrapes in a row a target must have from its owner
	// alone; two that scrape by turns never have as many.
	fleetRun = 5
	// fleetGap is the longest time that a target scraped each second may go
	// without while collectors come and go orderly. A collector takes up to 10 s
	// to act on a new list, so a target that is given away too early is longer
	// without.
	fleetGap = 4 * time.Second
)

// Real collectors come, go and die, and so does the allocator: no target is
// lost on the way, and each is scraped by one collector in the end.
func TestAllocatedTargetsAreScrapedOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("collectors take 10 s to act on what they are told")
	}
	t.Parallel()
	f := newFleet(t)
	f.startAllocator("127.0.0.1:0")
	f.start("a")
	f.start("b")
	f.share("a", "b")
	f.settle("a", "b")
	first := time.Now()

	f.start("c")
	f.share("a", "b", "c")
	f.settle("a", "b", "c")

	f.stopAllocator()
	f.startAllocator(f.address)
	f.settle("a", "b", "c")

	f.share("b", "c")
	f.settle("b", "c")
	f.stop("a")
	f.checkGaps(first, time.Now(), fleetGap)

	f.stop("b")
	f.share("c")
	f.settle("c")
}

// scraped is one scrape of a target.
type scraped struct {
	at time.Time
	by string
}

// fleet is an allocator, collectors and what they scrape.
type fleet struct {
	t       *testing.T
	config  string // file
	address string

	allocator func()            // stops it
	stops     map[string]func() // by collector
	shares    chan []allocator.Collector
	current   []allocator.Collector

	mu      sync.Mutex
	scrapes map[string][]scraped // by target
	event   chan struct{}
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{t: t, stops: map[string]func(){}, scrapes: map[string][]scraped{}, event: make(chan struct{}, 1)}
	var targets []string
	for range fleetTargets {
		s := httptest.NewServer(http.HandlerFunc(f.scrape))
		t.Cleanup(s.Close)
		targets = append(targets, strings.TrimPrefix(s.URL, "http://"))
	}
	f.config = filepath.Join(t.TempDir(), "targetallocator.yaml")
	text := fmt.Sprintf(`
allocation_strategy: consistent-hashing
config:
  scrape_configs:
    - job_name: a job/with a%%name
      scrape_interval: 1s
      static_configs: [{targets: [%s]}]
`, strings.Join(targets, ", "))
	if err := os.WriteFile(f.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// scrape is every target: it notes who asks.
func (f *fleet) scrape(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "up_and_running 1")
	f.mu.Lock()
	f.scrapes[r.Host] = append(f.scrapes[r.Host], scraped{time.Now(), r.Header.Get("X-Collector")})
	f.mu.Unlock()
	select {
	case f.event <- struct{}{}:
	default:
	}
}

func (f *fleet) startAllocator(address string) {
	f.t.Helper()
	config, err := allocator.ReadConfig(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	config.ListenAddr = address
	f.shares = make(chan []allocator.Collector, 1)
	listening := make(chan net.Addr, 1)
	f.allocator = f.run(func(ctx context.Context) error {
		return allocator.Run(ctx, allocator.Settings{
			Config:     config,
			Collectors: f.collectors(f.shares),
			Logger:     slog.New(slog.DiscardHandler),
			Listening:  func(a net.Addr) { listening <- a },
		})
	})
	f.address = (<-listening).String()
	if f.current != nil {
		f.shares <- f.current
	}
}

func (f *fleet) collectors(shares <-chan []allocator.Collector) allocator.Source {
	return func(ctx context.Context, set func([]allocator.Collector)) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case c := <-shares:
				set(c)
			}
		}
	}
}

func (f *fleet) stopAllocator() { f.allocator() }

// run runs until the function that it returns was called, or the test ends.
func (f *fleet) run(run func(context.Context) error) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(stop)
	return stop
}

// start starts a collector, and is done when it runs.
func (f *fleet) start(name string) {
	config := fmt.Sprintf(`yaml:
receivers:
  prometheus:
    target_allocator:
      endpoint: http://%s
      collector_id: %s
      interval: 1s
      http_sd_config: {refresh_interval: 1s}
      http_scrape_config: {http_headers: {X-Collector: {values: [%s]}}}
exporters: {nop: {}}
service:
  telemetry: {logs: {level: error}, metrics: {level: none}}
  pipelines: {metrics: {receivers: [prometheus], exporters: [nop]}}
`, f.address, name, name)
	f.stops[name] = f.run(func(ctx context.Context) error {
		return collector.Run(ctx, collector.Settings{ConfigURIs: []string{config}})
	})
}

func (f *fleet) stop(name string) { f.stops[name]() }

// share says who the collectors are.
func (f *fleet) share(names ...string) {
	f.current = nil
	for _, name := range names {
		f.current = append(f.current, allocator.Collector{Name: name})
	}
	f.shares <- f.current
}

// settle waits until every target is scraped by its owner alone, and all of
// these own some.
func (f *fleet) settle(names ...string) {
	f.t.Helper()
	from := time.Now()
	limit := time.After(2 * time.Minute)
	for {
		select {
		case <-limit:
			f.t.Fatalf("collectors %v did not settle: owners are %v, scrapes of the targets %v", names, f.owners(), f.lastScrapes())
		case <-f.event:
		}
		owners := f.owners()
		have := map[string]bool{}
		for target, by := range f.lastScrapes() {
			owner := owners[target]
			if owner == "" || by != strings.Repeat(owner, fleetRun) {
				continue
			}
			have[owner] = true
			delete(owners, target)
		}
		if len(owners) == 0 && len(have) == len(names) {
			f.t.Logf("%v settled after %v", names, time.Since(from).Round(time.Second))
			return
		}
	}
}

// owners asks the allocator who scrapes what.
func (f *fleet) owners() map[string]string {
	owners := map[string]string{}
	resp, err := http.Get("http://" + f.address + "/jobs/a+job%2Fwith+a%25name/targets")
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var shares map[string]struct{ Targets []struct{ Targets []string } }
	if resp.StatusCode == http.StatusServiceUnavailable {
		return map[string]string{"not ready": ""}
	}
	if err := json.NewDecoder(resp.Body).Decode(&shares); err != nil {
		f.t.Fatal(err)
	}
	for name, share := range shares {
		for _, group := range share.Targets {
			owners[group.Targets[0]] = name
		}
	}
	return owners
}

// lastScrapes are the names of the last collectors that scraped each target.
func (f *fleet) lastScrapes() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := map[string]string{}
	for target, all := range f.scrapes {
		for _, s := range all[max(0, len(all)-fleetRun):] {
			last[target] += s.by
		}
	}
	return last
}

// checkGaps fails when a target was not scraped for longer than limit.
func (f *fleet) checkGaps(from, to time.Time, limit time.Duration) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	longest, count := time.Duration(0), 0
	for target, all := range f.scrapes {
		last := from
		for _, s := range append(all[:len(all):len(all)], scraped{at: to}) {
			if s.at.Before(from) || s.at.After(to) {
				continue
			}
			gap := s.at.Sub(last)
			longest, count, last = max(longest, gap), count+1, s.at
			if gap > limit {
				f.t.Errorf("target %s was not scraped for %v", target, gap.Round(time.Millisecond))
			}
		}
	}
	f.t.Logf("%d scrapes of %d targets in %v; the longest gap was %v", count, len(f.scrapes),
		to.Sub(from).Round(time.Second), longest.Round(time.Millisecond))
}
