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
	// slackOfLimit bounds the slack in small containers.
	slackOfLimit = 4
	// busy is the time between two collections below which they are worth
	// avoiding. An idle process keeps its heap small instead.
	busy = 5 * time.Second
	// usual is GOGC where nothing is known better.
	usual = 100
)

// growth is how far the heap of a busy process may grow between two collections.
type growth struct {
	slack int64 // bytes
	least int   // percent of the heap, where that is more
}

// growthOf is for a command. What passes telemetry on allocates most and keeps
// least; what keeps it in a store reads it where it came, and has a heap for
// which 64 MiB are enough; an operator is busy for moments, and to be small.
func growthOf(command string) growth {
	switch command {
	case "up":
		return growth{64 << 20, 50}
	case "operator":
		return growth{32 << 20, usual}
	}
	return growth{128 << 20, 50}
}

// tuneMemory fits the garbage collector to the container and to the load. It
// sets the memory limit from the cgroup, so that Go collects harder before the
// kernel kills, and lets a busy process with a small heap collect less often:
// decoding telemetry allocates much and keeps little, and a heap that may only
// double is collected several times a second. A larger one need not double.
// GOMEMLIMIT and GOGC win.
func tuneMemory(args []string) {
	// Without a cgroup, or without a limit, there is nothing to set.
	limit, _ := memlimit.SetGoMemLimitWithOpts(memlimit.WithRatio(ofLimit), memlimit.WithProvider(memlimit.FromCgroup))
	if os.Getenv("GOGC") != "" {
		return
	}
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	g := growthOf(command)
	if limit > 0 {
		g.slack = min(g.slack, limit/slackOfLimit)
	}
	afterCollection(time.Now(), g)
}

// afterCollection arranges that the next collection, and each one after it,
// sets how far the heap may grow until the one that follows.
func afterCollection(last time.Time, g growth) {
	type sentinel struct{ _ *byte } // lives until the next collection finds it unused
	runtime.AddCleanup(&sentinel{}, func(last time.Time) {
		now := time.Now()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(g.percent(int64(live[0].Value.Uint64()), now.Sub(last)))
		afterCollection(now, g)
	}, last)
}

// percent is GOGC for a heap of live bytes that was last collected so long ago.
func (g growth) percent(live int64, ago time.Duration) int {
	if ago > busy || live <= 0 {
		return usual
	}
	return max(g.least, int(g.slack*100/live))
}
