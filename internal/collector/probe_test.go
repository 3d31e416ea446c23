package collector

import (
	"path/filepath"
	"runtime"
	"testing"
)

// A collector that is told to reload again and again does not grow: what was
// built to check a configuration is gone afterwards.
func TestCheckingLeavesNothing(t *testing.T) {
	files, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no good configurations: %v", err)
	}
	t.Setenv("SIGNALBOX_TEST_DIR", t.TempDir())
	factories, err := Factories()
	if err != nil {
		t.Fatal(err)
	}
	const checks = 20
	for _, file := range files {
		check := func() {
			if _, err := load(t.Context(), Settings{ConfigURIs: []string{file}}, factories); err != nil {
				t.Fatal(err)
			}
		}
		check() // fills what is kept once
		goroutines, heap := runtime.NumGoroutine(), heapBytes()
		for range checks {
			check()
		}
		// A leak is at least one of each check; goroutines told to end may take
		// a moment.
		if more := runtime.NumGoroutine() - goroutines; more >= checks/2 {
			t.Errorf("%s: %d goroutines more after %d checks", file, more, checks)
		}
		if more := heapBytes() - heap; more > checks*64<<10 {
			t.Errorf("%s: %d bytes more after %d checks", file, more, checks)
		}
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
