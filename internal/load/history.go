package load

import "time"

const (
	sampleInterval = time.Second
	// maxPoints bounds a history. One that is full loses every other point, and
	// takes new ones half as often from then on.
	maxPoints = 1200
)

// Point is how a load went at a time: over the ten seconds before, or since the
// point before when that is longer ago.
type Point struct {
	Time          time.Time
	Users         int // at that time
	Rate          Rate
	P50, P95, P99 time.Duration // 0 when no task ended
}

// history is points at equal distances.
type history struct {
	points []Point
	step   time.Duration
	last   moment // of the last point
}

// add notes a point when it is time for one.
func (h *history) add(now time.Time, l lately) {
	// A tick that comes a little early is not left out.
	if n := len(h.points); n > 0 && now.Sub(h.points[n-1].Time) < h.step-sampleInterval/2 {
		return
	}
	from, to := l.seen[0], l.seen[len(l.seen)-1]
	if h.step > rateWindow && h.last.results.Began.Equal(to.results.Began) && h.last.at.Before(from.at) {
		from = h.last
	}
	durations := durationsBetween(from, to)
	h.points = append(h.points, Point{
		Time: now, Users: to.results.Users, Rate: rateBetween(from, to, -1),
		P50: durations.Quantile(.5), P95: durations.Quantile(.95), P99: durations.Quantile(.99),
	})
	h.last = to
	if len(h.points) == maxPoints {
		for i := range maxPoints / 2 {
			h.points[i] = h.points[2*i+1]
		}
		h.points, h.step = h.points[:maxPoints/2], 2*h.step
	}
}
