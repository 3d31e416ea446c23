package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// figure is one thing that was measured.
type figure struct {
	What string
	// First is the first time, with nothing read before; Typical the median of
	// all the others.
	First, Typical float64 // milliseconds, or what Unit says
	CPU            float64 // seconds of the server, each time; 0: not measured
	Goal           float64 // 0: none
	Unit           string  // "" is ms
	Note           string
}

// roots is what the page asks for when nobody asked for anything.
const roots = "span:parentID = nil"

// question is one request of the page.
type question struct {
	what, path string
	params     url.Values
	newer      url.Values // what the page adds, which older versions refuse
	goal       float64
}

// questions are those of the page's first view, of a selection in it, and of a
// trace.
func questions(v view) []question {
	between := func(more ...string) url.Values {
		u := url.Values{"start": {strconv.FormatInt(v.Start, 10)}, "end": {strconv.FormatInt(v.End, 10)}}
		for i := 0; i < len(more); i += 2 {
			u.Add(more[i], more[i+1])
		}
		return u
	}
	selection := roots + " && duration >= 60ms && duration <= 10s"
	return []question{
		{"dots of all traces", "traces/points", between("q", roots), url.Values{"format": {"binary"}}, 300},
		{"slowest traces", "traces", between("q", roots, "order", "slowest", "limit", "100", "spans", "10"), nil, 1000},
		{"newest traces", "traces", between("q", roots, "order", "newest", "limit", "100", "spans", "10"), nil, 1000},
		{"facets of all traces", "facets", between("q", roots, "values", "50"), nil, 1000},
		{"heatmap of all traces", "traces/heatmap", between("q", roots), nil, 1000},
		{"dots of all spans", "traces/points", between(), url.Values{"format": {"binary"}}, 1000},
		{"heatmap of all spans", "traces/heatmap", between(), nil, 1000},
		{"facets of all spans", "facets", between("values", "50"), nil, 1000},
		{"selection: slowest", "traces", between("q", selection, "order", "slowest", "limit", "100", "spans", "10"), nil, 1000},
		{"selection: facets", "facets", between("q", selection, "values", "50"), nil, 1000},
		{"search by attribute", "traces", between("q", `app.tenant = "tenant-010" && resource.service.name = "service-07" && duration > 40ms`), nil, 1000},
		{"a trace", "traces/" + v.Trace, nil, url.Values{"parts": {"core"}}, 300},
		{"the long trace", "traces/" + v.Long, nil, url.Values{"parts": {"core"}}, 300},
		{"ranks in the long trace", "traces/" + v.Long + "/ranks", nil, nil, 1000},
		{"services", "services", between(), nil, 1000},
	}
}

// askAll asks each question several times.
func askAll(ctx context.Context, b *box, v view, rounds int) (figures []figure, err error) {
	for _, q := range questions(v) {
		f := figure{What: q.what, Goal: q.goal}
		var times []float64
		var size int
		before := b.cpu()
		params := url.Values{}
		maps.Copy(params, q.params)
		maps.Copy(params, q.newer)
		for range rounds {
			begun := time.Now()
			size, err = get(ctx, b.base+"/api/signalbox/v1/"+q.path+"?"+params.Encode())
			if err != nil && q.newer != nil {
				params, begun = q.params, time.Now()
				size, err = get(ctx, b.base+"/api/signalbox/v1/"+q.path+"?"+params.Encode())
			}
			if err != nil {
				return nil, err
			}
			times = append(times, float64(time.Since(begun).Microseconds())/1000)
		}
		f.CPU = (b.cpu() - before).Seconds() / float64(rounds)
		f.First, f.Typical = times[0], median(times[min(1, len(times)-1):])
		f.Note = fmt.Sprintf("%d kB", (size+999)/1000)
		figures = append(figures, f)
	}
	return figures, nil
}

func median(times []float64) float64 {
	times = slices.Sorted(slices.Values(times))
	return times[len(times)/2]
}

// watch opens the pages in a browser; the script prints figures as JSON.
func watch(ctx context.Context, script string, b *box, v view) (figures []figure, err error) {
	cmd := exec.CommandContext(ctx, "node", script, b.base, strconv.FormatInt(v.Start, 10), strconv.FormatInt(v.End, 10), v.Long)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &figures)
	}
	if err != nil {
		return nil, fmt.Errorf("looking at the page: %w", err)
	}
	return figures, nil
}

// printTable prints the figures of all binaries beside each other.
func printTable(w io.Writer, binaries []binary, columns [][]figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, b := range binaries {
		fmt.Fprintf(t, "%s: first\ttypical\tCPU s\t", b.name)
	}
	fmt.Fprintln(t, "goal\tnote\t")
	for i, row := range columns[0] {
		fmt.Fprintf(t, "%s\t", row.What)
		for _, figures := range columns {
			f := figures[i]
			unit := f.Unit
			if unit == "" {
				unit = "ms"
			}
			cpu := ""
			if f.CPU > 0 {
				cpu = fmt.Sprintf("%.3f", f.CPU)
			}
			fmt.Fprintf(t, "%.0f %s\t%.0f %s\t%s\t", f.First, unit, f.Typical, unit, cpu)
		}
		goal := ""
		if row.Goal > 0 {
			goal = fmt.Sprintf("< %.0f", row.Goal)
		}
		fmt.Fprintf(t, "%s\t%s\t\n", goal, columns[len(columns)-1][i].Note)
	}
	t.Flush()
}
