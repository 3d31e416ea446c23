package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table is what was measured, beside what it should be.
type table struct{ rows [][3]string }

// row adds a figure; goal is empty where there is none.
func (t *table) row(what, goal, format string, args ...any) {
	t.rows = append(t.rows, [3]string{what, fmt.Sprintf(format, args...), goal})
	progress("%s: %s", what, fmt.Sprintf(format, args...))
}

func (t *table) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tmeasured\tgoal\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t\n", r[0], r[1], r[2])
	}
	return w.Flush()
}
