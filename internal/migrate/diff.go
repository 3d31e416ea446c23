package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// diffContext is how many lines a diff shows around a change.
const diffContext = 3

// Diff is the unified diff of two texts, "" when they are the same. Patch reads
// it.
func Diff(name string, old, now []byte) string {
	a, b := splitLines(string(old)), splitLines(string(now))
	script := compare(a, b)
	if !slices.ContainsFunc(script, func(s step) bool { return s.kind != ' ' }) {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	for first := 0; first < len(script); {
		if script[first].kind == ' ' {
			first++
			continue
		}
		from, last := max(0, first-diffContext), first
		for i := first; i < len(script) && i <= last+2*diffContext; i++ {
			if script[i].kind != ' ' {
				last = i
			}
		}
		to := min(len(script), last+1+diffContext)
		hunk(&out, script[from:to])
		first = to
	}
	return out.String()
}

func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// step is one line of a diff: ' ' of both texts, '-' of the old, '+' of the new.
type step struct {
	kind     byte
	line     string
	old, now int // lines before this one
}

func hunk(out *strings.Builder, steps []step) {
	olds, news := 0, 0
	for _, s := range steps {
		if s.kind != '+' {
			olds++
		}
		if s.kind != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineRange(steps[0].old, olds), lineRange(steps[0].now, news))
	for _, s := range steps {
		out.WriteByte(s.kind)
		out.WriteString(s.line)
		if !strings.HasSuffix(s.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// lineRange is where a hunk is: an empty one stands after the line it names.
func lineRange(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// maxDiffCells bounds the table of compare. Where texts differ in more, they
// differ as a whole.
const maxDiffCells = 16 << 20

// compare finds the shortest way from one text to the other: the longest common
// subsequence of their lines, between what they have in common at both ends.
func compare(a, b []string) []step {
	start := 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < min(len(a), len(b))-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	n, m := len(a)-start-end, len(b)-start-end
	longest := make([][]int32, n+1)
	for i := range longest {
		longest[i] = make([]int32, m+1)
		if (n+1)*(m+1) > maxDiffCells {
			longest[i] = nil
		}
	}
	if longest[0] != nil {
		for i := n - 1; i >= 0; i-- {
			for j := m - 1; j >= 0; j-- {
				if a[start+i] == b[start+j] {
					longest[i][j] = longest[i+1][j+1] + 1
				} else {
					longest[i][j] = max(longest[i+1][j], longest[i][j+1])
				}
			}
		}
	}
	var script []step
	i, j := 0, 0
	add := func(kind byte, line string) {
		script = append(script, step{kind, line, i, j})
		if kind != '+' {
			i++
		}
		if kind != '-' {
			j++
		}
	}
	for i < len(a) || j < len(b) {
		x, y := i-start, j-start
		switch {
		case i < start || x >= n && y >= m:
			add(' ', a[i])
		case x < n && y < m && a[i] == b[j] && longest[0] != nil:
			add(' ', a[i])
		case x < n && (y >= m || longest[0] == nil || longest[x+1][y] >= longest[x][y+1]):
			add('-', a[i])
		default:
			add('+', b[j])
		}
	}
	return script
}
