package app

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// waterfallSpan is one line of a waterfall: spans in display order, children
// after their parent.
type waterfallSpan struct {
	Depth    int
	Service  string
	Name     string
	Start    time.Time
	Duration time.Duration
	Error    string // "" when the span is no error; else its message or "error"
}

// writeWaterfall draws spans as a tree beside bars over time, width columns
// wide, 120 where there is no bound. The bars' scale is the time from the first
// start to the last end.
func writeWaterfall(w io.Writer, spans []waterfallSpan, width int, style style) error {
	if len(spans) == 0 {
		return nil
	}
	width = cmp.Or(width, 120)
	begin, end := spans[0].Start, spans[0].Start
	for _, s := range spans {
		if s.Start.Before(begin) {
			begin = s.Start
		}
		if e := s.Start.Add(s.Duration); e.After(end) {
			end = e
		}
	}
	labels := treeLabels(spans)
	const durationWidth = 10
	labelWidth := len("SERVICE AND OPERATION")
	for _, l := range labels {
		labelWidth = max(labelWidth, columns(l))
	}
	labelWidth = min(labelWidth, width/2)
	barWidth := max(width-labelWidth-durationWidth-4, 10)

	_, err := fmt.Fprintf(w, "%s  %*s  %s\n", pad("SERVICE AND OPERATION", labelWidth), durationWidth, "DURATION", scale(end.Sub(begin), barWidth))
	if err != nil {
		return err
	}
	for i, s := range spans {
		bar := bar(s.Start.Sub(begin), s.Duration, end.Sub(begin), barWidth)
		line := fmt.Sprintf("%s  %*s  %s", pad(labels[i], labelWidth), durationWidth, formatDuration(s.Duration), bar)
		line = strings.TrimRight(line, " ")
		if s.Error != "" {
			line = style.bad(line + "  ✗ " + s.Error)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// deepest is the depth down to which branches are drawn; below, a number says
// how deep a span is.
const deepest = 20

// treeLabels draws the branches: "├ ", "└ " and the lines that lead past. A
// span names its service only where it differs from its parent's.
func treeLabels(spans []waterfallSpan) []string {
	labels := make([]string, len(spans))
	followed := siblings(spans)
	continues := []bool{}  // by depth: does a later sibling follow on this level?
	services := []string{} // by depth
	for i, s := range spans {
		continues = append(continues[:min(s.Depth, len(continues))], followed[i])
		var b strings.Builder
		if s.Depth > deepest {
			fmt.Fprintf(&b, "…%d ", s.Depth)
		} else {
			for d := 1; d < s.Depth && d < len(continues); d++ {
				b.WriteString(map[bool]string{true: "│ ", false: "  "}[continues[d]])
			}
		}
		if s.Depth > 0 {
			b.WriteString(map[bool]string{true: "├ ", false: "└ "}[followed[i]])
		}
		services = append(services[:min(s.Depth, len(services))], s.Service)
		if s.Depth == 0 || len(services) < 2 || services[len(services)-2] != s.Service {
			b.WriteString(s.Service + ": ")
		}
		b.WriteString(printable(s.Name))
		labels[i] = b.String()
	}
	return labels
}

// siblings says of each span whether one of the same depth follows before the
// tree returns to a lower depth.
func siblings(spans []waterfallSpan) []bool {
	followed := make([]bool, len(spans))
	later := []bool{} // by depth: there is one further down
	for i := len(spans) - 1; i >= 0; i-- {
		depth := spans[i].Depth
		for len(later) <= depth {
			later = append(later, false)
		}
		followed[i] = later[depth]
		later = later[:depth+1]
		later[depth] = true
	}
	return followed
}

// bar is the span's place in the whole: at least one column.
func bar(offset, duration, whole time.Duration, width int) string {
	if whole <= 0 {
		whole = 1
	}
	// In floats, for years in nanoseconds times the width are more than fit.
	column := func(d time.Duration) float64 { return float64(width) * float64(d) / float64(whole) }
	from := int(column(offset))
	to := int(math.Ceil(column(offset) + column(duration)))
	from = min(max(from, 0), width-1)
	to = min(max(to, from+1), width)
	if duration == 0 {
		return strings.Repeat(" ", from) + "▏"
	}
	return strings.Repeat(" ", from) + strings.Repeat("█", to-from)
}

// scale is the axis above the bars: 0 at the left, the whole at the right.
func scale(whole time.Duration, width int) string {
	right := formatDuration(whole)
	return "0" + strings.Repeat(" ", max(width-1-columns(right), 1)) + right
}

// formatDuration gives three significant digits in the unit that reads best.
func formatDuration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return significant(float64(d)/1e3) + " µs"
	case d < time.Second:
		return significant(float64(d)/1e6) + " ms"
	case d < time.Minute:
		return significant(float64(d)/1e9) + " s"
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return significant(d.Hours()/24) + " d"
}

func significant(f float64) string {
	switch {
	case f < 10:
		return fmt.Sprintf("%.2f", f)
	case f < 100:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}
