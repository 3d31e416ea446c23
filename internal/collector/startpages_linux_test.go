package collector

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReleaseStartPages(t *testing.T) {
	if _, err := Factories(); err != nil { // touches some
		t.Fatal(err)
	}
	before := fileKB(t)
	if err := ReleaseStartPages(); err != nil {
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

func TestMappings(t *testing.T) {
	got := mappings(`00400000-0407c000 r-xp 00000000 fe:00 11354712                           /usr/bin/signalbox
Size:              61936 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
0893d000-08baa000 r--p 0853d000 fe:00 11354712                           /usr/bin/signalbox
Anonymous:           240 kB
c000000000-c001000000 rw-p 00000000 00:00 0
Anonymous:           100 kB
`)
	want := []mapping{
		{from: 0x400000, to: 0x407c000, file: "/usr/bin/signalbox"},
		{from: 0x893d000, to: 0x8baa000, file: "/usr/bin/signalbox", written: true},
		{from: 0xc000000000, to: 0xc001000000, writable: true, written: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
