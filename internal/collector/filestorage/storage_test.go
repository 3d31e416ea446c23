package filestorage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// opened is a started extension on a directory, and what it tells.
type opened struct {
	storage.Extension
	metrics *metric.ManualReader
	logs    *observer.ObservedLogs
}

func open(t testing.TB, dir string) opened {
	t.Helper()
	f := NewFactory()
	cfg := f.CreateDefaultConfig().(*contrib.Config)
	cfg.Directory = dir
	cfg.Timeout = 10 * time.Millisecond
	o := opened{metrics: metric.NewManualReader()}
	core, logs := observer.New(zap.WarnLevel)
	set := extensiontest.NewNopSettings(f.Type())
	set.Logger, o.logs = zap.New(core), logs
	set.MeterProvider = metric.NewMeterProvider(metric.WithReader(o.metrics))
	ext, err := f.Create(t.Context(), set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.Extension = ext.(storage.Extension)
	if err := o.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o opened) client(t testing.TB) storage.Client {
	t.Helper()
	c, err := o.GetClient(t.Context(), component.KindExporter, component.MustNewIDWithName("otlp", "peer"), "traces")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// quarantined is the value of the metric.
func (o opened) quarantined(t testing.TB) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name == "signalbox_storage_quarantined_files_total" {
				return m.Data.(metricdata.Sum[int64]).DataPoints[0].Value
			}
		}
	}
	t.Fatal("no metric of quarantined files")
	return 0
}

// filled makes a directory with a queue of so many items that its file has
// branches, long values and freed pages; name is the file's.
func filled(t testing.TB) (dir, name string) {
	t.Helper()
	dir = t.TempDir()
	f := contrib.NewFactory() // not synced: faster
	cfg := f.CreateDefaultConfig().(*contrib.Config)
	cfg.Directory = dir
	ext, err := f.Create(t.Context(), extensiontest.NewNopSettings(f.Type()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := opened{Extension: ext.(storage.Extension)}.client(t)
	for i := range 400 {
		size := 100
		if i%50 == 0 {
			size = 20_000
		}
		if err := c.Set(t.Context(), fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if err := c.Delete(t.Context(), fmt.Sprint(i*3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "exporter_otlp_peer_traces")
}

func TestWholeFileIsKept(t *testing.T) {
	dir, name := filled(t)
	o := open(t, dir)
	c := o.client(t)
	defer c.Close(context.Background())
	if v, err := c.Get(t.Context(), "1"); err != nil || len(v) != 100 {
		t.Errorf("got %d bytes, %v; want what was set before", len(v), err)
	}
	if n := o.quarantined(t); n != 0 || o.logs.Len() != 0 {
		t.Errorf("%s: %d files set aside, logged %v; want none", name, n, o.logs.All())
	}
}

func TestWritesAreSynced(t *testing.T) {
	if cfg := NewFactory().CreateDefaultConfig().(*contrib.Config); !cfg.FSync {
		t.Error("fsync is off by default")
	}
}

// However a file is damaged, the component starts, with what was in the file or
// with an empty one; and then the damaged one is still there, under another name.
func TestDamagedFileIsSetAside(t *testing.T) {
	whole := func(b []byte) []byte { return bytes.Clone(b) }
	for name, damage := range map[string]func([]byte) []byte{
		// What is alive has more pages than these; of the last ones it may use none.
		"cut to ten pages":   func(b []byte) []byte { return b[:10*4096] },
		"cut in a header":    func(b []byte) []byte { return b[:len(b)/8/4096*4096+7] },
		"one byte":           func(b []byte) []byte { return b[:1] },
		"text":               func(b []byte) []byte { return []byte(strings.Repeat("no database\n", 10_000)) },
		"zeros":              func(b []byte) []byte { return make([]byte, len(b)) },
		"both states":        func(b []byte) []byte { b = whole(b); b[16+60]++; b[4096+16+60]++; return b },
		"all but the states": func(b []byte) []byte { b = whole(b); clear(b[8192:]); return b },
		"every page's kind": func(b []byte) []byte {
			b = whole(b)
			for i := 8192; i < len(b); i += 4096 {
				b[i+8] = 0x40
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file := filled(t)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(content)
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			o := open(t, dir)
			c := o.client(t)
			defer c.Close(context.Background())
			if err := c.Set(t.Context(), "new", []byte("value")); err != nil {
				t.Errorf("writing after the start: %v", err)
			}
			if n := o.quarantined(t); n != 1 || o.logs.Len() != 1 {
				t.Errorf("%d files set aside, logged %v; want one", n, o.logs.All())
			}
			kept, err := filepath.Glob(file + ".damaged-*")
			if err != nil || len(kept) != 1 {
				t.Fatalf("got %q, %v; want one file beside", kept, err)
			}
			if got, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(got, damaged) {
				t.Errorf("%s is not the damaged file: %v", kept[0], err)
			}
		})
	}
}

// Whatever byte of the structure is wrong: either it is found, or the database
// can do with it. It would end this process otherwise.
func TestNoDamageEndsTheProcess(t *testing.T) {
	dir, file := filled(t)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	found := 0
	for range 200 {
		b := bytes.Clone(content)
		for range 1 + random.IntN(3) { // in headers and elements, where it hurts
			b[random.IntN(len(b)/4096)*4096+random.IntN(200)] = byte(random.Uint32())
		}
		if random.IntN(10) == 0 {
			b = b[:random.IntN(len(b))]
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		o := open(t, dir)
		c := o.client(t)
		if err := c.Set(t.Context(), "new", []byte("value")); err != nil {
			t.Errorf("writing after the start: %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
		found += int(o.quarantined(t))
	}
	// Many hit a page that is not in use; of the others, some fifty are found, or
	// forty where the layout of the file is lucky.
	if found < 20 {
		t.Errorf("found %d of 200 damages", found)
	}
}

// A file that another process has open, and what is none of ours, is left alone.
func TestOthersFilesAreLeftAlone(t *testing.T) {
	dir, file := filled(t)
	other := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := open(t, dir)
	c := first.client(t)
	defer c.Close(context.Background())
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 64), 16); err != nil { // looks damaged
		t.Fatal(err)
	}
	second := open(t, dir)
	if n := second.quarantined(t); n != 0 {
		t.Errorf("%d files set aside; want none", n)
	}
	for _, name := range []string{file, other} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// No bytes make the check fail, run for long or need much memory.
func FuzzVerify(f *testing.F) {
	_, file := filled(f)
	content, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content[:64<<10])
	f.Add(content[:8192])
	f.Fuzz(func(t *testing.T, b []byte) {
		w := walk{file: bytes.NewReader(b), size: uint64(len(b)), seen: map[uint64]bool{}, inline: map[uint64]bool{}}
		if err := w.database(); err != nil && !errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
			t.Errorf("got %v; want no error, or that it is damaged", err)
		}
	})
}
