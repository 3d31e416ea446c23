package traceql

import (
	"maps"
	"math"
	"slices"
)

// sketch counts numbers in buckets of 16 an octave, as store.Histogram does with
// durations, but of any size and sign. The zero value is empty and ready.
type sketch struct {
	counts map[int32]uint64 // by bucket; of negative numbers the bucket of -x, negative
	zero   uint64           // numbers that are 0
	total  uint64
}

// bucketShift leaves sign, exponent and four bits of the fraction.
const bucketShift = 48

func (s *sketch) add(v float64, n uint64) {
	s.total += n
	if v == 0 {
		s.zero += n
		return
	}
	if s.counts == nil {
		s.counts = map[int32]uint64{}
	}
	b := int32(math.Float64bits(math.Abs(v)) >> bucketShift)
	if v < 0 {
		b = -b
	}
	s.counts[b] += n
}

// bounds are the numbers nearest to and farthest from 0 that bucket b counts.
func bounds(b int32) (near, far float64) {
	if b < 0 {
		near, far = bounds(-b)
		return -near, -far
	}
	return math.Float64frombits(uint64(b) << bucketShift), math.Float64frombits(uint64(b+1) << bucketShift)
}

// each calls f for every bucket from the least to the greatest numbers.
func (s *sketch) each(f func(low, high float64, n uint64)) {
	zero := s.zero > 0
	for _, b := range slices.Sorted(maps.Keys(s.counts)) {
		if b > 0 && zero {
			f(0, 0, s.zero)
			zero = false
		}
		near, far := bounds(b)
		f(min(near, far), max(near, far), s.counts[b])
	}
	if zero {
		f(0, 0, s.zero)
	}
}

// quantile is a number that a share q of the numbers does not exceed.
func (s *sketch) quantile(q float64) float64 {
	if s.total == 0 {
		return math.NaN()
	}
	rank := q * float64(s.total)
	value, seen := math.NaN(), 0.0
	s.each(func(low, high float64, n uint64) {
		switch {
		case seen >= rank && !math.IsNaN(value):
		case seen+float64(n) >= rank:
			value = low + (high-low)*max(0, rank-seen)/float64(n)
		default:
			value = high
		}
		seen += float64(n)
	})
	return value
}

// octave is the least power of two that is not less than what the bucket up to
// high counts.
func octave(high float64) float64 {
	if high <= 0 {
		return 0
	}
	fraction, exp := math.Frexp(high)
	if fraction == 0.5 {
		exp--
	}
	return math.Ldexp(1, exp)
}
