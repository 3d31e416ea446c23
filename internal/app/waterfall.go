package app

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
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
		labelWidth = max(labelWidth, utf8.RuneCountInString(l))
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

// treeLabels draws the branches: "├ ", "└ " and the lines that lead past. A
// span names its service only where it differs from its parent's.
func treeLabels(spans []waterfallSpan) []string {
	labels := make([]string, len(spans))
	continues := []bool{}  // by depth: does a later sibling follow on this level?
	services := []string{} // by depth
	for i, s := range spans {
		continues = append(continues[:min(s.Depth, len(continues))], hasSibling(spans, i))
		var b strings.Builder
		for d := 1; d < s.Depth && d < len(continues); d++ {
			b.WriteString(map[bool]string{true: "│ ", false: "  "}[continues[d]])
		}
		if s.Depth > 0 {
			b.WriteString(map[bool]string{true: "├ ", false: "└ "}[continues[len(continues)-1]])
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

// hasSibling reports whether a span of the same depth follows before the tree
// returns to a lower depth.
func hasSibling(spans []waterfallSpan, i int) bool {
	for _, next := range spans[i+1:] {
		if next.Depth < spans[i].Depth {
			return false
		}
		if next.Depth == spans[i].Depth {
			return true
		}
	}
	return false
}

// bar is the span's place in the whole: at least one column.
func bar(offset, duration, whole time.Duration, width int) string {
	if whole <= 0 {
		whole = 1
	}
	from := int(int64(width) * int64(offset) / int64(whole))
	to := int((int64(width)*int64(offset+duration) + int64(whole) - 1) / int64(whole))
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
	return "0" + strings.Repeat(" ", max(width-1-utf8.RuneCountInString(right), 1)) + right
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
	}
	return d.Round(time.Second).String()
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

// pad brings s to exactly width columns, cutting with an ellipsis.
func pad(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n > width {
		return string([]rune(s)[:width-1]) + "…"
	}
	return s + strings.Repeat(" ", width-n)
}

// printable replaces control characters, so that data cannot move the cursor
// or recolour the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}
