package load

import "time"

// rateWindow is how far current rates and percentiles look back.
const rateWindow = 10 * time.Second

// lately is the results of the last ten seconds, of which current figures are
// made. Its zero value has none.
type lately struct {
	seen []moment // the oldest first
}

// moment is results at a time.
type moment struct {
	at      time.Time
	results Snapshot
}

// add notes results. Those of before a reset are forgotten.
func (l *lately) add(now time.Time, s Snapshot) {
	if n := len(l.seen); n > 0 && !l.seen[n-1].results.Began.Equal(s.Began) {
		l.seen = nil
	}
	if len(l.seen) == 0 {
		// What was done until now was done since the beginning.
		l.seen = append(l.seen, moment{now.Add(-s.Elapsed), Snapshot{Began: s.Began}})
	}
	l.seen = append(l.seen, moment{now, s})
	for len(l.seen) > 2 && now.Sub(l.seen[0].at) > rateWindow+time.Second/2 {
		l.seen = l.seen[1:]
	}
}

// Rate is how much is done in a second.
type Rate struct{ Tasks, Failures float64 }

// rate is that of one task, or of all for -1.
func (l *lately) rate(task int) Rate {
	if len(l.seen) < 2 {
		return Rate{}
	}
	return rateBetween(l.seen[0], l.seen[len(l.seen)-1], task)
}

func rateBetween(from, to moment, task int) Rate {
	count := func(s Snapshot) (done, failed float64) {
		for i, t := range s.Tasks {
			if task < 0 || i == task {
				done, failed = done+float64(t.Count), failed+float64(t.Failures)
			}
		}
		return done, failed
	}
	seconds := to.at.Sub(from.at).Seconds()
	done, failed := count(to.results)
	doneBefore, failedBefore := count(from.results)
	if seconds <= 0 || done < doneBefore || failed < failedBefore { // a worker's results went
		return Rate{}
	}
	return Rate{(done - doneBefore) / seconds, (failed - failedBefore) / seconds}
}

// durations are those of all tasks that ended between two moments.
func durationsBetween(from, to moment) Durations {
	return to.results.Total().Durations.since(from.results.Total().Durations)
}
