package main

import (
	"strings"
	"testing"
)

// The table compares medians; what a peer does not offer is empty, and so are
// its ratios.
func TestTable(t *testing.T) {
	all := []contender{{name: ours}, {name: "Jaeger, Badger", peer: true}, {name: "ClickHouse, exporter", peer: true}, {name: "store only"}}
	f := figures{}
	for i, cpu := range []float64{3, 9, 4} {
		f.add(all[0].name, "spans http cpu", cpu)
		f.add(all[1].name, "spans http cpu", 160+float64(i))
		f.add(all[2].name, "spans http cpu", 32)
	}
	f.add(all[3].name, "spans http cpu", 2)
	f.add(all[0].name, "spans http rate", 100_000)
	f.add(all[2].name, "spans http rate", 25_000)
	f.add(all[0].name, "spans trace wrong", 0)
	f.add(all[1].name, "spans trace wrong", 2)
	f.add(all[1].name, "spans search wrong", 1)
	f.sumWrong()
	var out strings.Builder
	if err := f.print(&out, all); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"signalbox up Jaeger, Badger ClickHouse, exporter store only must reach ratio Jaeger ratio ClickHouse",
		"spans by HTTP: CPU s per million 4.00 161.00 32.00 2.00 ≤ 4.5; ≥ 40×, ≥ 7× 40.2×, 80.5× 8.0×, 16.0×",
		"spans a second 100000 25000 4.0×",
		"answers that were not right 0 3 0 0 0", // the last is the goal
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
