package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// ofLimit is the part of the container's memory that Go may use; the rest is
	// for what Go does not count: mapped files, page tables, the kernel.
	ofLimit = 0.9
	// slackBytes is what the heap of a busy process may grow by between two
	// collections, where that is more than the heap itself.
	slackBytes         = 128 << 20
	operatorSlackBytes = 32 << 20
	// slackOfLimit bounds the slack in small containers.
	slackOfLimit = 4
	// busy is the time between two collections below which they are worth
	// avoiding. An idle process keeps its heap small instead.
	busy = 5 * time.Second
)

// tuneMemory fits the garbage collector to the container and to the load. It
// sets the memory limit from the cgroup, so that Go collects harder before the
// kernel kills, and lets a busy process with a small heap collect less often:
// decoding telemetry allocates much and keeps little, and a heap that may only
// double is collected several times a second. An operator is busy for moments,
// and to be small, so it gets less. GOMEMLIMIT and GOGC win.
func tuneMemory(args []string) {
	// Without a cgroup, or without a limit, there is nothing to set.
	limit, _ := memlimit.SetGoMemLimitWithOpts(memlimit.WithRatio(ofLimit), memlimit.WithProvider(memlimit.FromCgroup))
	if os.Getenv("GOGC") != "" {
		return
	}
	slack := int64(slackBytes)
	if len(args) > 0 && args[0] == "operator" {
		slack = operatorSlackBytes
	}
	if limit > 0 {
		slack = min(slack, limit/slackOfLimit)
	}
	afterCollection(time.Now(), slack)
}

// afterCollection arranges that the next collection, and each one after it,
// sets how far the heap may grow until the one that follows.
func afterCollection(last time.Time, slack int64) {
	type sentinel struct{ _ *byte } // lives until the next collection finds it unused
	runtime.AddCleanup(&sentinel{}, func(last time.Time) {
		now := time.Now()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(gcPercent(int64(live[0].Value.Uint64()), slack, now.Sub(last)))
		afterCollection(now, slack)
	}, last)
}

// gcPercent is GOGC for a heap of live bytes that was last collected so long
// ago.
func gcPercent(live, slack int64, ago time.Duration) int {
	const usual = 100
	if ago > busy || live <= 0 {
		return usual
	}
	return max(usual, int(slack*100/live))
}
