package app

import (
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	f := func(liveMB, slackMB int64, ago time.Duration, want int) {
		t.Helper()
		if got := (growth{slackMB << 20, 50}).percent(liveMB<<20, ago); got != want {
			t.Errorf("percent(%d MiB, %d MiB, %v): got %d; want %d", liveMB, slackMB, ago, got, want)
		}
	}
	f(32, 128, time.Second, 400)    // busy with a small heap: collect less often
	f(32, 128, time.Minute, 100)    // idle: keep the heap small
	f(160, 128, time.Second, 80)    // a larger one grows by as much, not by more
	f(1024, 128, time.Second, 50)   // a large one by its half
	f(0, 128, time.Second, 100)     // before the first collection
	f(1, 128, time.Second, 100*128) // bounded by the slack, not by a factor
}
