package spanmetrics

import (
	"math/rand/v2"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// sampled says how many spans one stands for, by the threshold in its trace
// state. Spans of a trace have the same state, so the last one is remembered.
type sampled struct {
	state string // of the last span, in its memory
	of    uint64 // denominator of the probability, over sampling.MaxAdjustedCount; 0 when it is not known
}

// count returns 1 and false for a span that nothing is known of. Counts that are
// no whole numbers are rounded up or down so often that their sum is right.
func (s *sampled) count(state string) (n uint64, adjusted bool) {
	if state == "" {
		return 1, false
	}
	if state != s.state {
		s.state, s.of = state, denominator(state)
	}
	if s.of == 0 {
		return 1, false
	}
	n = sampling.MaxAdjustedCount / s.of
	if rest := sampling.MaxAdjustedCount % s.of; rest > 0 && rand.Uint64N(s.of) < rest {
		n++
	}
	return n, true
}

func denominator(state string) uint64 {
	if !strings.Contains(state, "ot=") {
		return 0
	}
	w3c, err := sampling.NewW3CTraceState(state)
	if err != nil {
		return 0
	}
	threshold, ok := w3c.OTelValue().TValueThreshold()
	if !ok {
		return 0
	}
	return sampling.MaxAdjustedCount - threshold.Unsigned()
}
