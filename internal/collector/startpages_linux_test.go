package collector

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestReleaseStartPages(t *testing.T) {
	if _, err := Factories(); err != nil { // touches some
		t.Fatal(err)
	}
	before := fileKB(t)
	if err := releaseStartPages(); err != nil {
		t.Fatal(err)
	}
	if after := fileKB(t); after > before/2 {
		t.Errorf("got %d kB of the file mapped; want less than half of the %d before", after, before)
	}
}

// fileKB is how much of files the process has mapped.
func fileKB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	var kB int
	if _, err := fmt.Sscanf(rest, "%d kB", &kB); err != nil {
		t.Fatalf("reading %q: %v", rest, err)
	}
	return kB
}
