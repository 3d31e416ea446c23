package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecorded sends what was recorded of each client, and needs none of them:
// clients/recorded/*.txtar holds what they sent and what must come of it.
//
// RECORD=1 records all of them again, UPDATE=1 only rewrites what must come;
// with -run 'TestRecorded/zipkingo' that is done for those.
func TestRecorded(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("recorded/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range recordables() {
		archives = append(archives, archivePath(c.name))
	}
	slices.Sort(archives)
	r := startReplay(t)
	for _, path := range slices.Compact(archives) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			if os.Getenv("RECORD") != "" {
				record(t, path)
			}
			replay(t, r, path)
		})
	}
}

func archivePath(name string) string { return filepath.Join("recorded", name+".txtar") }

// record runs the client of an archive and writes what it sends.
func record(t *testing.T, path string) {
	t.Helper()
	all := recordables()
	i := slices.IndexFunc(all, func(c recordable) bool { return archivePath(c.name) == path })
	if i < 0 {
		t.Fatalf("no client is known for %s: remove it", path)
	}
	rec := newRecorder(t)
	all[i].run(t, rec.addr)
	text := formatArchive(all[i].comment+"\n", rec.recorded(), "")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// replay sends an archive and compares what comes of it.
func replay(t *testing.T, r *replayed, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	comment, messages, want, err := parseArchive(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) == 0 {
		t.Fatalf("%s has no messages", path)
	}
	ask := r.listing
	if messages[0].port == "remote-write" {
		// It ends in a store, which takes no sample much older than the newest.
		r = startReplay(t)
		ask = func() (string, error) {
			return r.samples(t.Context(), strings.TrimSuffix(filepath.Base(path), ".txtar"))
		}
	}
	r.next(t)
	r.send(t, messages)
	if os.Getenv("RECORD")+os.Getenv("UPDATE") != "" {
		want = r.settled(t, ask)
		if err := os.WriteFile(path, formatArchive(comment, messages, want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want == "" {
		t.Fatalf("nothing comes of %s", path)
	}
	eventually(t, func(context.Context) error {
		got, err := ask()
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("%s (-want +got):\n%s", path, diff)
		}
		return nil
	})
}

// samples is what the store has of a job, as Prometheus' API gives it, a series
// on a line.
func (r *replayed) samples(ctx context.Context, job string) (string, error) {
	q := url.Values{"query": {fmt.Sprintf("{job=%q}[25y]", job)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr["remote-write"]+"/api/v1/query?"+q.Encode(), nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", res.Status, err)
	}
	var lines []string
	for _, series := range answer.Data.Result {
		lines = append(lines, string(series)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}
