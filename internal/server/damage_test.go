package server

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// keptShop keeps the shop's spans and logs in blocks on a disk in memory.
func keptShop(t *testing.T) (*vfs.Mem, store.Options) {
	t.Helper()
	disk := vfs.NewMem(1)
	o := store.NewDefaultOptions()
	o.FS, o.Decode = disk, ingest.Decode
	o.MaxAge, o.MaxBytes, o.Reserve = 0, 0, 0
	o.Now = afterShop
	s, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	spans, err := ingest.Traces(shop())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := ingest.Logs(shopLogs())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*store.Batch{spans, logs} {
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return disk, o
}

func afterShop() time.Time { return time.Unix(0, jaegerEpoch).Add(time.Minute) }

// serveStore serves what a directory has.
func serveStore(t *testing.T, o store.Options) *Server {
	t.Helper()
	reg := prometheus.NewRegistry()
	o.Registerer = reg
	s, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return newTestServer(t, Deps{Reader: s, Catalog: s, Registerer: reg, Gatherer: reg, Now: afterShop})
}

// damageBlocks changes bytes of all pages of every block.
func damageBlocks(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".block") {
			continue
		}
		f, err := disk.Open("data/" + name)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Size()
		data := make([]byte, size)
		if _, err := f.ReadAt(data, 0); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		const trailer = 16 // the length of the footer, its checksum, the end
		pages := len(data) - trailer - int(binary.LittleEndian.Uint32(data[len(data)-trailer:]))
		for i := 9; i < pages; i += 4 {
			data[i] ^= 0x41
		}
		w, err := disk.Create("data/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Every API that answers from a block that cannot be read says that its answer
// is partial, the one that finds it and those after it, and a metric counts it.
func TestAnswersWithoutABlockSayThatTheyArePartial(t *testing.T) {
	micros := func(d time.Duration) int64 { return (jaegerEpoch + d.Nanoseconds()) / 1000 }
	jaegerRange := fmt.Sprintf("service=frontend&start=%d&end=%d", micros(-time.Hour), micros(time.Hour))
	v3 := url.Values{"query.service_name": {"frontend"},
		"query.start_time_min": {time.Unix(0, jaegerEpoch).Add(-time.Hour).UTC().Format(time.RFC3339)},
		"query.start_time_max": {time.Unix(0, jaegerEpoch).Add(time.Hour).UTC().Format(time.RFC3339)}}.Encode()
	for target, want := range map[string]string{
		apiPrefix + "traces":                `"partial":true`,
		apiPrefix + "traces?explain=true":   `"partial":true`,
		apiPrefix + "traces/points":         `"partial":true`,
		apiPrefix + "traces/heatmap":        `"partial":true`,
		apiPrefix + "traces/" + trace1:      "data that cannot be read: spans-",
		apiPrefix + "spans":                 `"partial":true`,
		apiPrefix + "logs":                  `"partial":true`,
		apiPrefix + "logs/volume":           `"partial":true`,
		apiPrefix + "logs/patterns":         `"partial":true`,
		apiPrefix + "services":              `"partial":true`,
		apiPrefix + "fields":                `"partial":true`,
		apiPrefix + "facets":                `"partial":true`,
		"/api/services":                     "unreadable data in spans-",
		"/api/services/frontend/operations": "unreadable data in spans-",
		"/api/traces?" + jaegerRange:        "unreadable data in spans-",
		"/api/traces/" + trace1:             "data that cannot be read: spans-",
		"/api/v3/traces?" + v3:              "",
		"/api/dependencies?endTs=" + fmt.Sprint(micros(time.Hour)/1000) + "&lookback=7200000": "unreadable data in spans-",
	} {
		disk, o := keptShop(t)
		whole := get(t, serveStore(t, o), target)
		if strings.Contains(whole.Body.String(), `"partial":true`) || strings.Contains(whole.Body.String(), "read: spans-") {
			t.Errorf("%s: an answer from whole blocks says that it is partial: %s", target, whole.Body)
		}
		disk = disk.Crash(1)
		o.FS = disk
		damageBlocks(t, disk)
		s := serveStore(t, o)
		for range 2 {
			if got := get(t, s, target); !strings.Contains(got.Body.String(), want) || got.Code >= 500 {
				t.Errorf("%s: got %d %s; want %s", target, got.Code, got.Body, want)
			}
		}
		if strings.HasSuffix(target, "spans") {
			if got := get(t, s, "/metrics"); !strings.Contains(got.Body.String(), "\nsignalbox_store_quarantined_files 1\n") {
				t.Errorf("after %s, metrics: got %s; want one file set aside", target, got.Body)
			}
		}
	}
}

// explain=true says which blocks were looked into, why others were not, and how
// each part of the condition was decided; without it nothing of it is there.
func TestExplain(t *testing.T) {
	_, o := keptShop(t)
	s := serveStore(t, o)
	type part struct {
		Part         string
		Rows, Groups int
		Examined     int
		Matched      int
		PagesRead    int
		Steps        []stepAnswer
	}
	type explained struct {
		Matched, PagesRead int
		BytesRead          int64
		Stages             []stageAnswer
		Skipped            []skippedAnswer
		Parts              []part
	}
	ask := func(path, condition string) *explained {
		t.Helper()
		w := get(t, s, apiPrefix+path+"?explain=true&"+q(condition))
		var a struct{ Report struct{ Explain *explained } }
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Report.Explain == nil {
			t.Fatalf("%s of %s: got %d %s", path, condition, w.Code, w.Body)
		}
		if err := readSchemas(t).check("report", decoded(t, w.Body.Bytes())["report"], map[string]any{"$ref": "#/components/schemas/Report"}); err != nil {
			t.Errorf("%s of %s: %v", path, condition, err)
		}
		return a.Report.Explain
	}
	e := ask("spans", `span.http.status_code >= 200 && resource.service.name = "frontend"`)
	if len(e.Parts) != 1 || !strings.HasPrefix(e.Parts[0].Part, "spans-") {
		t.Fatalf("got parts %+v; want the block of spans", e.Parts)
	}
	p := e.Parts[0]
	var steps []string
	for _, step := range p.Steps {
		steps = append(steps, fmt.Sprintf("%d %s [%s] %d of %d", step.Depth, step.Condition, step.How, step.Out, step.In))
	}
	want := []string{"0 all of [] 1 of 5", `1 resource.service.name = "frontend" [list of services] 3 of 5`,
		"1 span.http.status_code >= 200 [numbers, bounds of pages first] 1 of 3"}
	if got := strings.Join(steps, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got steps\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if p.Groups != 1 || p.Examined != p.Rows || p.Matched != 1 || e.Matched != 1 || e.PagesRead < 2 || e.BytesRead <= 0 || p.PagesRead > e.PagesRead {
		t.Errorf("got %+v in %+v", p, e)
	}
	if len(e.Stages) != 3 {
		t.Errorf("got stages %v; want planning, scanning and filling", e.Stages)
	}
	for condition, why := range map[string]string{`name = "no such name"`: "dictionary", `span.none = 1`: "no such field",
		`resource.service.name = "none"`: "list of services", `trace:id = "ff"`: "trace index"} {
		if e := ask("spans", condition); len(e.Skipped) != 1 || e.Skipped[0] != (skippedAnswer{why, 1}) || len(e.Parts) != 0 {
			t.Errorf("%s: got skipped %v and parts %v; want one skipped because of %s", condition, e.Skipped, e.Parts, why)
		}
	}
	for _, path := range []string{"traces", "logs", "logs/volume", "facets", "traces/points", "traces/heatmap"} {
		ask(path, "")
	}
	if w := get(t, s, apiPrefix+"spans"); strings.Contains(w.Body.String(), "explain") {
		t.Errorf("nobody asked: got %s", w.Body)
	}
	if w := get(t, s, apiPrefix+"spans?explain=yes"); w.Code != 400 {
		t.Errorf("explain=yes: got %d; want 400", w.Code)
	}
}

func decoded(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var a map[string]any
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	return a
}
