package allocator

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const pageHead = `<!doctype html>
<html lang="en"><meta charset="utf-8">
<style>body{font:14px system-ui;margin:2rem}table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}</style>
<p><a href="/">overview</a> · <a href="/debug/targets">targets</a> · <a href="/debug/scrape_configs">scrape configs</a> · <a href="/metrics">metrics</a></p>
`

// page is what people are shown.
type page struct {
	Title, Text, Pre string
	Tables           []table
}

// table is a table of a page.
type table struct {
	Head []string
	Rows [][]cell
}

// cell is a text, which leads somewhere if Link is not empty.
type cell struct{ Text, Link string }

// pageOf is the page of a path, nil when it has none.
func (h *handler) pageOf(path string, q url.Values) *page {
	switch path {
	case "/", "/jobs", "/debug/jobs":
		return h.overview()
	case "/debug/targets":
		return h.targetsPage("All targets", func(string, string) bool { return true })
	case "/debug/job":
		return h.targetsPage("Job "+q.Get("job_id"), func(job, _ string) bool { return job == q.Get("job_id") })
	case "/debug/collector":
		return h.targetsPage("Collector "+q.Get("collector_id"), func(_, name string) bool { return name == q.Get("collector_id") })
	case "/scrape_configs", "/debug/scrape_configs":
		var text bytes.Buffer
		if err := json.Indent(&text, h.jobs.Load().redacted, "", "  "); err != nil {
			return nil
		}
		return &page{Title: "Scrape configs", Pre: text.String()}
	}
	if job, ok := jobOf(path); ok {
		return h.targetsPage("Job "+job, func(j, _ string) bool { return j == job })
	}
	return nil
}

func (h *handler) overview() *page {
	now := h.allocation.Shares()
	collectors := table{Head: []string{"collector", "targets"}}
	for _, name := range now.Collectors {
		collectors.Rows = append(collectors.Rows, []cell{
			{name, "/debug/collector?collector_id=" + url.QueryEscape(name)}, {Text: strconv.Itoa(now.Targets[name])}})
	}
	jobs := table{Head: []string{"job", "targets"}}
	for _, name := range h.jobNames() {
		jobs.Rows = append(jobs.Rows, []cell{
			{name, "/debug/job?job_id=" + url.QueryEscape(name)}, {Text: strconv.Itoa(now.OfJob[name])}})
	}
	return &page{
		Title: "Target allocator",
		Text: "Strategy " + h.allocation.strategy + ". " + strconv.Itoa(now.Unassigned) + " targets without a collector, " +
			strconv.Itoa(now.Moving) + " moving from one to another.",
		Tables: []table{collectors, jobs},
	}
}

func (h *handler) jobNames() []string {
	var names []string
	for _, c := range h.jobs.Load().configs {
		names = append(names, c.JobName)
	}
	slices.Sort(names)
	return names
}

// targetsPage shows the targets of the jobs and collectors that show wants.
func (h *handler) targetsPage(title string, show func(job, collector string) bool) *page {
	t := table{Head: []string{"job", "collector", "target", "labels"}}
	for _, job := range h.jobNames() {
		shares := h.allocation.ByCollector(job)
		for _, name := range slices.Sorted(maps.Keys(shares)) {
			if !show(job, name) {
				continue
			}
			for _, target := range shares[name] {
				var all []string
				for _, label := range slices.Sorted(maps.Keys(target.labels)) {
					all = append(all, label+"="+target.labels[label])
				}
				t.Rows = append(t.Rows, []cell{
					{job, "/debug/job?job_id=" + url.QueryEscape(job)},
					{name, "/debug/collector?collector_id=" + url.QueryEscape(name)},
					{Text: target.address}, {Text: strings.Join(all, ", ")}})
			}
		}
	}
	return &page{Title: title, Tables: []table{t}}
}

// wantsPage reports whether a person asks, with a browser.
func wantsPage(r *http.Request, path string) bool {
	return path == "/" || strings.HasPrefix(path, "/debug/") || strings.Contains(r.Header.Get("Accept"), "text/html")
}

// writePage writes HTML, in which every text is escaped.
func writePage(w http.ResponseWriter, p *page) {
	var b strings.Builder
	b.WriteString(pageHead)
	title := html.EscapeString(p.Title)
	b.WriteString("<title>" + title + "</title><h1>" + title + "</h1>\n<p>" + html.EscapeString(p.Text) + "</p>\n")
	for _, t := range p.Tables {
		b.WriteString("<table><tr>")
		for _, name := range t.Head {
			b.WriteString("<th>" + html.EscapeString(name))
		}
		for _, row := range t.Rows {
			b.WriteString("\n<tr>")
			for _, c := range row {
				text := html.EscapeString(c.Text)
				if c.Link != "" {
					text = `<a href="` + html.EscapeString(c.Link) + `">` + text + "</a>"
				}
				b.WriteString("<td>" + text)
			}
		}
		b.WriteString("</table>\n")
	}
	if p.Pre != "" {
		b.WriteString("<pre>" + html.EscapeString(p.Pre) + "</pre>\n")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, b.String()) // the client has gone
}
