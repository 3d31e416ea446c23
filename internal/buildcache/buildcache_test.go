package buildcache

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The newest builds stay, and what an interrupted one left goes.
func TestRemoveOld(t *testing.T) {
	cache := t.TempDir()
	now := time.Now()
	for i, name := range []string{"newest", "second", "third", "fourth", "building-123"} {
		dir := filepath.Join(cache, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now, now.Add(-time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(cache, "lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := removeOld(cache, 3); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff([]string{"lock", "newest", "second", "third"}, got); diff != "" {
		t.Errorf("what stays (-want +got):\n%s", diff)
	}
}
