package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// figures are what was measured: by contender and key, one value for each time.
type figures map[string]map[string][]float64

func (f figures) add(contender, key string, value float64) {
	if f[contender] == nil {
		f[contender] = map[string][]float64{}
	}
	f[contender][key] = append(f[contender][key], value)
}

// median is the middle of the values; ok says that there are any.
func (f figures) median(contender, key string) (value float64, ok bool) {
	values := slices.Sorted(slices.Values(f[contender][key]))
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)/2], true
}

// row is a line of the table.
type row struct {
	label, key string
	digits     int
	goal       string // for us
	ratio      ratio
}

// ratio says how contenders are compared.
type ratio int

const (
	none ratio = iota
	less       // is better
	more       // is better
)

// rows are those of the table. Keys are what measure adds.
var rows = []row{
	{"spans by HTTP: CPU s per million", "spans http cpu", 2, "≤ 4.5; ≥ 40×, ≥ 7×", less},
	{"spans a second", "spans http rate", 0, "", more},
	{"slowest request (ms)", "spans http slowest", 0, "≤ 500", less},
	{"p99 of requests (ms)", "spans http p99", 0, "", less},
	{"requests told to come later", "spans http refused", 0, "", none},
	{"peak RSS (MB)", "spans http peak", 0, "≤ 300", less},
	{"acknowledged, not found", "spans http missing", 0, "0", none},
	{"spans by gRPC: CPU s per million", "spans grpc cpu", 2, "≤ 4.5", less},
	{"spans a second", "spans grpc rate", 0, "", more},
	{"slowest request (ms)", "spans grpc slowest", 0, "≤ 500", less},
	{"p99 of requests (ms)", "spans grpc p99", 0, "", less},
	{"requests told to come later", "spans grpc refused", 0, "", none},
	{"peak RSS (MB)", "spans grpc peak", 0, "≤ 300", less},
	{"acknowledged, not found", "spans grpc missing", 0, "0", none},
	{"bytes per span on disk", "spans bytes", 1, "≤ 52", less},
	{"start until it answers (s)", "start", 2, "", less},
	{"CPU", "start cpu", 2, "", less},
	{"after that, not found by query", "spans lost", 0, "0", none},
	{"trace by id: p50 (ms)", "spans trace p50", 2, "", less},
	{"p95", "spans trace p95", 2, "≤ 3", less},
	{"CPU", "spans trace cpu", 2, "", less},
	{"spans of an hour: p50 (ms)", "spans search p50", 2, "", less},
	{"p95", "spans search p95", 2, "≤ 4", less},
	{"CPU", "spans search cpu", 2, "", less},
	{"traces of an hour: p50 (ms)", "spans search traces p50", 2, "", less},
	{"p95", "spans search traces p95", 2, "", less},
	{"CPU", "spans search traces cpu", 2, "", less},
	{"traces, absent value: p50 (ms)", "spans absent p50", 2, "", less},
	{"p95", "spans absent p95", 2, "≤ 3", less},
	{"CPU", "spans absent cpu", 2, "", less},
	{"traces, rare value: p50 (ms)", "spans rare p50", 2, "", less},
	{"p95", "spans rare p95", 2, "", less},
	{"CPU", "spans rare cpu", 2, "", less},
	{"services by minute, all: p50 (ms)", "spans minutes p50", 2, "", less},
	{"p95", "spans minutes p95", 2, "≤ 5", less},
	{"CPU", "spans minutes cpu", 2, "", less},
	{"services by minute, an hour: p50 (ms)", "spans minutes 1h p50", 2, "", less},
	{"p95", "spans minutes 1h p95", 2, "≤ 5", less},
	{"CPU", "spans minutes 1h cpu", 2, "", less},
	{"peak RSS while asked (MB)", "spans asked peak", 0, "", less},
	{"log records per CPU second", "logs sent per cpu", 0, "≥ 200000", more},
	{"log records a second", "logs sent rate", 0, "", more},
	{"slowest request (ms)", "logs sent slowest", 0, "≤ 500", less},
	{"peak RSS (MB)", "logs sent peak", 0, "≤ 300", less},
	{"acknowledged, not found", "logs sent missing", 0, "0", none},
	{"bytes per log record on disk", "logs bytes", 1, "", less},
	{"after a start, not found by query", "logs lost", 0, "0", none},
	{"substring of many bodies: p95 (ms)", "logs frequent p95", 1, "≤ 300", less},
	{"CPU", "logs frequent cpu", 1, "", less},
	{"of one body: p95", "logs rare p95", 1, "≤ 300", less},
	{"CPU", "logs rare cpu", 1, "", less},
	{"of none: p95", "logs absent p95", 1, "≤ 300", less},
	{"CPU", "logs absent cpu", 1, "", less},
	{"spans after -start-spans", "full spans", 0, "", none},
	{"start on them (s)", "start full", 2, "≤ 5", none},
	{"CPU", "start full cpu", 2, "", none},
	{"there: trace by id, p95 (ms)", "full trace p95", 2, "≤ 3", none},
	{"CPU", "full trace cpu", 2, "", none},
	{"absent value, p95 (ms)", "full absent p95", 2, "≤ 3", none},
	{"CPU", "full absent cpu", 2, "", none},
	{"services by minute, all: p95 (ms)", "full minutes p95", 2, "≤ 5", none},
	{"CPU", "full minutes cpu", 2, "", none},
	{"services by minute, an hour: p95 (ms)", "full minutes 1h p95", 2, "≤ 5", none},
	{"CPU", "full minutes 1h cpu", 2, "", none},
	{"answers that were not right", "wrong", 0, "0", none},
}

// sumWrong adds up what was wrong in all answers of each contender.
func (f figures) sumWrong() {
	for _, of := range f {
		sum := 0.0
		for key, values := range of {
			if strings.HasSuffix(key, " wrong") {
				for _, v := range values {
					sum += v
				}
			}
		}
		of["wrong"] = []float64{sum}
	}
}

// print writes the table: the figures of each contender, the goal, and how many
// times better each of ours is than each peer.
func (f figures) print(to io.Writer, contenders []contender) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range contenders {
		fmt.Fprintf(w, "\t%s", c.name)
	}
	fmt.Fprint(w, "\tmust reach")
	var peers, own []string
	for _, c := range contenders {
		if c.peer {
			peers = append(peers, c.name)
		} else {
			own = append(own, c.name)
		}
	}
	for _, p := range peers {
		name, _, _ := strings.Cut(p, ",")
		fmt.Fprintf(w, "\tratio %s", name)
	}
	fmt.Fprintln(w, "\t")
	for _, r := range rows {
		line, some := r.label, false
		for _, c := range contenders {
			v, ok := f.median(c.name, r.key)
			cell := ""
			if ok {
				cell, some = fmt.Sprintf("%.*f", r.digits, v), true
			}
			line += "\t" + cell
		}
		if !some {
			continue
		}
		line += "\t" + r.goal
		for _, p := range peers {
			line += "\t" + f.compare(r, own, p)
		}
		fmt.Fprintln(w, line+"\t")
	}
	return w.Flush()
}

// compare says how many times better than a peer each of ours is.
func (f figures) compare(r row, own []string, peer string) string {
	var all []string
	for _, name := range own {
		a, okA := f.median(name, r.key)
		b, okB := f.median(peer, r.key)
		if r.ratio == less {
			a, b = b, a
		}
		if okA && okB && r.ratio != none && b > 0 {
			all = append(all, fmt.Sprintf("%.1f×", a/b))
		}
	}
	return strings.Join(all, ", ")
}

// writeJSON writes all figures, also those that are not in the table, and how
// they came about.
func (f figures) writeJSON(to io.Writer, about map[string]any) error {
	about["figures"] = f
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(about)
}
