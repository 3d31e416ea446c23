package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	eastasian "golang.org/x/text/width"
)

// style colours text for a terminal; the zero style leaves it as it is.
type style struct{ colour bool }

func (s style) bad(text string) string  { return s.wrap("31", text) }
func (s style) warn(text string) string { return s.wrap("33", text) }
func (s style) dim(text string) string  { return s.wrap("2", text) }
func (s style) bold(text string) string { return s.wrap("1", text) }

func (s style) wrap(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// terminalOf says how wide w is and whether it takes colours: a file or pipe has
// no bound (0) and takes none; NO_COLOR (no-color.org) turns colours off.
func terminalOf(w io.Writer) (width int, st style) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, style{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		width = 80
	}
	return width, style{colour: os.Getenv("NO_COLOR") == ""}
}

// table prints rows in aligned columns. Columns named in right are numbers.
type table struct {
	header []string
	right  map[int]bool
	rows   [][]string
}

func newTable(header ...string) *table {
	t := &table{right: map[int]bool{}}
	for i, h := range header {
		name, isNumber := strings.CutPrefix(h, ">")
		t.header = append(t.header, name)
		t.right[i] = isNumber
	}
	return t
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// write prints the table. Cells wider than what the terminal leaves are cut, in
// the last column only, so that ids stay whole; a width of 0 cuts nothing.
func (t *table) write(w io.Writer, width int, st style) error {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	used := 2 * (len(widths) - 1)
	for _, n := range widths[:len(widths)-1] {
		used += n
	}
	if last := len(widths) - 1; width > 0 {
		widths[last] = min(widths[last], max(width-used, 20))
	}
	for n, row := range append([][]string{t.header}, t.rows...) {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			if t.right[i] {
				b.WriteString(strings.Repeat(" ", widths[i]-columns(cell)) + cell)
			} else {
				b.WriteString(pad(cell, widths[i]))
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = st.bold(line)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// writeOr is write, or a sentence when there are no rows.
func (t *table) writeOr(w io.Writer, width int, st style, empty string) error {
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(w, empty)
		return err
	}
	return t.write(w, width, st)
}

// columns is how many columns of a terminal s takes: two for a letter of East
// Asia or an emoji, none for an accent that stands on the letter before.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if kind := eastasian.LookupRune(r).Kind(); kind == eastasian.EastAsianWide || kind == eastasian.EastAsianFullwidth {
		return 2
	}
	return 1
}

// pad brings s to exactly width columns, cutting with an ellipsis.
func pad(s string, width int) string {
	if n := columns(s); n <= width {
		return s + strings.Repeat(" ", width-n)
	}
	room := width - 1 // beside the ellipsis
	end := 0
	for i, r := range s {
		if columnsOf(r) > room {
			end = i
			break
		}
		room -= columnsOf(r)
	}
	return s[:end] + "…" + strings.Repeat(" ", room)
}

// printable replaces what could move the cursor, recolour the terminal or turn
// the direction of a line round: control characters, and those that embed,
// override or isolate directions.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '·'
		}
		return r
	}, s)
}
