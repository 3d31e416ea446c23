package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	liveInterval  = time.Second
	plainInterval = 5 * time.Second
)

// Reporter prints results while a run goes on.
type Reporter struct {
	Out io.Writer
	// Live redraws a table in place, for terminals; else there is one line
	// every five seconds.
	Live    bool
	Width   int           // columns of the terminal; 0 for any number
	RunTime time.Duration // 0 when the run has no end
	Source  func() Snapshot

	drawn  int // lines of the table on the screen
	lately lately
}

// Watch prints until done is closed, and the summary then.
func (r *Reporter) Watch(done <-chan struct{}) error {
	interval := plainInterval
	if r.Live {
		interval = liveInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return r.summary(r.Source())
		case <-ticker.C:
			if err := r.tick(r.Source()); err != nil {
				return err
			}
		}
	}
}

func (r *Reporter) tick(s Snapshot) error {
	r.lately.add(time.Now(), s)
	total := s.Total()
	if !r.Live {
		_, err := fmt.Fprintf(r.Out, "%s  %s  %.1f tasks/s  %d failures  p50 %s  p95 %s  p99 %s\n",
			progress(s.Ran, r.RunTime), userCount(s), r.rate(-1), total.Failures,
			short(total.Durations.Quantile(.5)), short(total.Durations.Quantile(.95)), short(total.Durations.Quantile(.99)))
		return err
	}
	var b strings.Builder
	r.erase(&b)
	fmt.Fprintf(&b, "%s  %s\n\n", progress(s.Ran, r.RunTime), userCount(s))
	r.table(&b, s, r.rate)
	r.drawn = strings.Count(b.String(), "\n")
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// userCount is how many users there are; somebody at the page may have stopped
// the load.
func userCount(s Snapshot) string {
	if s.Target == 0 {
		return "stopped"
	}
	return fmt.Sprintf("%d of %d users", s.Users, s.Target)
}

// erase puts the cursor where the last table began.
func (r *Reporter) erase(b *strings.Builder) {
	if r.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\x1b[J", r.drawn)
	}
}

// rate is the tasks per second of late: of one task, or of all for -1.
func (r *Reporter) rate(task int) float64 { return r.lately.rate(task).Tasks }

// table prints a row for each task and one for all.
func (r *Reporter) table(w io.Writer, s Snapshot, rate func(task int) float64) {
	const numbers = 61 // columns of the numbers
	width, longest := len("all tasks"), 60
	if r.Width > 0 {
		longest = r.Width - numbers - 1
	}
	for _, t := range s.Tasks {
		width = max(width, min(utf8.RuneCountInString(t.Name), longest))
	}
	fmt.Fprintf(w, "%-*s  %9s  %8s  %8s  %8s  %8s  %8s\n", width, "TASK", "TASKS/S", "COUNT", "FAILURES", "P50", "P95", "P99")
	row := func(i int, name string, t TaskStats) {
		fmt.Fprintf(w, "%-*.*s  %9.1f  %8d  %8d  %8s  %8s  %8s\n", width, width, printable(name), rate(i), t.Count, t.Failures,
			short(t.Durations.Quantile(.5)), short(t.Durations.Quantile(.95)), short(t.Durations.Quantile(.99)))
	}
	for i, t := range s.Tasks {
		row(i, t.Name, t)
	}
	row(-1, "all tasks", s.Total())
}

// summary prints the whole run, and what went wrong.
func (r *Reporter) summary(s Snapshot) error {
	var b strings.Builder
	r.erase(&b)
	if !r.Live {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Done after %s with %d users.\n\n", s.Elapsed.Round(100*time.Millisecond), s.Peak)
	seconds := s.Elapsed.Seconds()
	r.table(&b, s, func(task int) float64 {
		if seconds <= 0 {
			return 0
		}
		if task < 0 {
			return float64(s.Total().Count) / seconds
		}
		return float64(s.Tasks[task].Count) / seconds
	})
	if rate := s.FullRate(); rate > 0 {
		fmt.Fprintf(&b, "\nWith all users there, for %s: %.1f tasks/s\n", s.FullElapsed.Round(100*time.Millisecond), rate)
	}
	total := s.Total()
	if total.Failures > 0 {
		b.WriteString("\nFailures:\n")
		for _, kind := range slices.SortedFunc(maps.Keys(total.Kinds), func(x, y string) int { return int(total.Kinds[y]) - int(total.Kinds[x]) }) {
			fmt.Fprintf(&b, "  %8d  %.200q\n", total.Kinds[kind], kind)
		}
	}
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// printable is a name without what moves the cursor.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, name)
}

// progress is the time, and a bar when the end is known.
func progress(elapsed, runTime time.Duration) string {
	text := elapsed.Round(time.Second).String()
	if runTime <= 0 {
		return text
	}
	const width = 20
	filled := int(min(1, elapsed.Seconds()/runTime.Seconds()) * width)
	return fmt.Sprintf("[%s%s] %s of %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), text, runTime)
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
