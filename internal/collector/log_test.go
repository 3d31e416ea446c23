package collector

import (
	"testing"

	"go.uber.org/zap"
)

// Stacks are for developers of this program.
func TestStacksAreLeftOut(t *testing.T) {
	for _, stacks := range []bool{false, true} {
		logged := newEntries()
		log := zap.New(logged, zap.AddStacktrace(zap.WarnLevel), withoutNoise(stacks)).With(zap.String("a", "b"))
		log.Error("disk full", zap.String("c", "d"))
		log.Debug("below the core's level")
		if len(logged.kept.list) != 1 {
			t.Fatalf("logged %d entries; want 1", len(logged.kept.list))
		}
		k := logged.kept.list[0]
		if got := k.entry.Stack != ""; got != stacks || len(k.fields) != 2 {
			t.Errorf("withoutNoise(%t): got stack %q, %d fields; want a stack: %t, and 2 fields", stacks, k.entry.Stack, len(k.fields), stacks)
		}
	}
}
