package store

import "math/bits"

// Histogram counts durations in log-linear buckets: below 16 ns one bucket a
// nanosecond, above it 16 buckets an octave, so a bucket is at most 6.25 % wide
// (HdrHistogram's layout with one significant hex digit). The zero value is
// empty and ready. It takes memory for the octaves between the shortest and the
// longest duration only: an operation's durations lie close together, and there
// are many operations and minutes.
type Histogram struct {
	counts []uint64 // of the buckets from low on, whole octaves
	low    int
	count  uint64
}

// buckets per octave, as a power of two.
const histogramBits = 4

// HistogramBucket returns the bucket of a duration in nanoseconds.
func HistogramBucket(nanos uint64) int {
	if nanos < 1<<histogramBits {
		return int(nanos)
	}
	exp := bits.Len64(nanos) - 1 - histogramBits
	return exp<<histogramBits + int(nanos>>exp)
}

// HistogramBounds returns the durations [low, high] that bucket i counts.
func HistogramBounds(i int) (low, high uint64) {
	if i < 2<<histogramBits {
		return uint64(i), uint64(i)
	}
	exp := i>>histogramBits - 1
	mantissa := uint64(i&(1<<histogramBits-1)) | 1<<histogramBits
	low = mantissa << exp
	return low, low + 1<<exp - 1
}

// histogramBuckets is the number of buckets of all durations.
const histogramBuckets = 61 << histogramBits

// bucketMiddles are the middles of the buckets.
var bucketMiddles = func() (middles [histogramBuckets]uint64) {
	for i := range middles {
		low, high := HistogramBounds(i)
		middles[i] = low + (high-low)/2
	}
	return middles
}()

// Add counts n durations of bucket i.
func (h *Histogram) Add(i int, n uint64) {
	if n == 0 {
		return
	}
	if i < h.low || i-h.low >= len(h.counts) {
		h.cover(i, i)
	}
	h.counts[i-h.low] += n
	h.count += n
}

// cover makes room for the buckets first to last.
func (h *Histogram) cover(first, last int) {
	first, last = first>>histogramBits<<histogramBits, (last>>histogramBits+1)<<histogramBits // the end of its octave
	switch {
	case len(h.counts) == 0:
		h.low, h.counts = first, make([]uint64, last-first)
		return
	case first < h.low:
		h.counts = append(make([]uint64, h.low-first, h.low-first+len(h.counts)), h.counts...)
		h.low = first
	}
	if more := last - h.low - len(h.counts); more > 0 {
		h.counts = append(h.counts, make([]uint64, more)...)
	}
}

// Observe counts one duration.
func (h *Histogram) Observe(nanos uint64) { h.Add(HistogramBucket(nanos), 1) }

// Merge adds what o counted.
func (h *Histogram) Merge(o *Histogram) {
	if o.count == 0 {
		return
	}
	h.cover(o.low, o.low+len(o.counts)-1)
	into := h.counts[o.low-h.low:]
	for i, n := range o.counts {
		into[i] += n
	}
	h.count += o.count
}

// Count is the number of durations.
func (h *Histogram) Count() uint64 { return h.count }

// Buckets calls f for every non-empty bucket, lowest first.
func (h *Histogram) Buckets(f func(i int, n uint64)) {
	for i, n := range h.counts {
		if n > 0 {
			f(h.low+i, n)
		}
	}
}

// Quantile returns the duration below which the fraction q (0..1) lies, as the
// middle of its bucket: at most 3.2 % off. An empty histogram gives 0.
func (h *Histogram) Quantile(q float64) uint64 {
	var out [1]uint64
	h.Quantiles(out[:], q)
	return out[0]
}

// Quantiles puts the quantiles qs, which ascend, into out: one pass for all.
func (h *Histogram) Quantiles(out []uint64, qs ...float64) {
	clear(out)
	at, seen, rank := 0, uint64(0), h.rank(qs[0])
	for i, n := range h.counts {
		seen += n
		for n > 0 && seen > rank {
			out[at] = bucketMiddles[h.low+i]
			if at++; at == len(qs) {
				return
			}
			rank = h.rank(qs[at])
		}
	}
}

// rank is how many durations lie below the quantile q.
func (h *Histogram) rank(q float64) uint64 {
	rank := uint64(q * float64(h.count))
	if rank >= h.count && h.count > 0 {
		rank = h.count - 1
	}
	return rank
}

// Total is the sum of the durations, each by the middle of its bucket.
func (h *Histogram) Total() (total uint64) {
	middles := bucketMiddles[h.low:]
	for i, n := range h.counts {
		total += n * middles[i]
	}
	return total
}
