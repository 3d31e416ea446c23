package store

import (
	"math"
	"math/rand"
	"reflect"
	"testing"
)

// Every duration lies within the bounds of its bucket, buckets touch without
// gaps, and none is wider than one sixteenth of its lower bound.
func TestHistogramBucketsCoverAllDurations(t *testing.T) {
	for exp := range 64 {
		for _, nanos := range []uint64{1<<exp - 1, 1 << exp, 1<<exp + 1, 1<<exp | 1<<exp>>1} {
			i := HistogramBucket(nanos)
			low, high := HistogramBounds(i)
			if nanos < low || nanos > high {
				t.Errorf("duration %d: got bucket %d with bounds [%d, %d]", nanos, i, low, high)
			}
			if next, _ := HistogramBounds(i + 1); high+1 != next && high != 1<<64-1 {
				t.Errorf("bucket %d ends at %d; next starts at %d", i, high, next)
			}
			if width := high - low + 1; width > 1 && width*16 > low {
				t.Errorf("bucket %d [%d, %d] is wider than 1/16", i, low, high)
			}
		}
	}
}

func TestHistogramQuantile(t *testing.T) {
	var h Histogram
	for d := uint64(1); d <= 1000; d++ {
		h.Observe(d * 1_000_000)
	}
	for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
		got, want := float64(h.Quantile(q)), q*1e9
		if want == 0 {
			want = 1e6
		}
		if got < want*0.96 || got > want*1.04 {
			t.Errorf("Quantile(%v): got %v; want %v within 4 %%", q, got, want)
		}
	}
}

// Durations in any order, merged in any order, give the same histogram.
func TestHistogramMerge(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewSource(seed))
	for range 200 {
		want := map[int]uint64{}
		var all, merged Histogram
		parts := make([]Histogram, 1+random.Intn(4))
		for range random.Intn(20) {
			d := random.Uint64() >> random.Intn(64)
			want[HistogramBucket(d)]++
			all.Observe(d)
			parts[random.Intn(len(parts))].Observe(d)
		}
		for i := range parts {
			merged.Merge(&parts[i])
		}
		got, last := map[int]uint64{}, -1
		merged.Buckets(func(i int, n uint64) {
			if i <= last {
				t.Errorf("seed %d: bucket %d after bucket %d", seed, i, last)
			}
			got[i], last = n, i
		})
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(merged, all) {
			t.Fatalf("seed %d: got %v; want %v", seed, got, want)
		}
	}
}

func TestHistogramOfTheLongest(t *testing.T) {
	var h Histogram
	h.Observe(math.MaxUint64)
	if last := HistogramBucket(math.MaxUint64); last != histogramBuckets-1 {
		t.Errorf("got bucket %d for the longest duration; want %d", last, histogramBuckets-1)
	}
	low, high := HistogramBounds(histogramBuckets - 1)
	if got, want := h.Quantile(.5), low+(high-low)/2; got != want || h.Total() != want {
		t.Errorf("got median %d and total %d; want %d", got, h.Total(), want)
	}
}
