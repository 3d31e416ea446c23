package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Annotations by which pods ask to be scraped, as manifests of Prometheus have
// them.
const (
	scrapeAnnotation = "prometheus.io/scrape"
	portAnnotation   = "prometheus.io/port"
	pathAnnotation   = "prometheus.io/path"
)

// asksForScraping reports whether the pods of a workload do.
func (w *Workload) asksForScraping() bool { return w.Template.Annotations[scrapeAnnotation] == "true" }

// scraping finds pods that ask to be scraped and are not, or have nothing to
// offer.
func scraping(p *Picture) []Finding {
	var all []Finding
	asking := false
	for i := range p.Workloads {
		w := &p.Workloads[i]
		if !w.asksForScraping() {
			continue
		}
		asking = true
		if f := p.scrape(w); f != nil {
			all = append(all, *f)
		}
	}
	if asking && len(p.scrapers()) == 0 && len(p.Unseen[Collectors]) == 0 {
		all = append(all, odd(ScrapeNothing, "", fmt.Sprintf("pods ask to be scraped by annotation %s, and no collector looks for it in namespace %s", scrapeAnnotation, p.Namespace), p.newScraper()))
	}
	return all
}

// scrapers are the collectors that look for the annotation in the namespace.
func (p *Picture) scrapers() []*Collector {
	var all []*Collector
	for i := range p.Collectors {
		c := &p.Collectors[i]
		for name, body := range component(c.Config, "receivers") {
			jobs, _ := at(body, "config", "scrape_configs").([]any)
			if typeOf(name) == "prometheus" && c.uses(name) && slices.ContainsFunc(jobs, p.discovers) {
				all = append(all, c)
				break
			}
		}
	}
	return all
}

// discovers reports whether a scrape job looks for annotated pods of the
// namespace.
func (p *Picture) discovers(job any) bool {
	const label = "__meta_kubernetes_pod_annotation_prometheus_io_scrape"
	relabels, _ := at(job, "relabel_configs").([]any)
	if !slices.ContainsFunc(relabels, func(r any) bool { return slices.Contains(texts(at(r, "source_labels")), label) }) {
		return false
	}
	sources, _ := at(job, "kubernetes_sd_configs").([]any)
	return slices.ContainsFunc(sources, func(s any) bool {
		only := texts(at(s, "namespaces", "names"))
		return len(only) == 0 || slices.Contains(only, p.Namespace)
	})
}

// scrape is what is wrong with what a workload offers; nil when nothing is known
// to be.
func (p *Picture) scrape(w *Workload) *Finding {
	i := slices.IndexFunc(p.Scrapes, func(s Scrape) bool { return s.Workload == w.object() && s.Asked })
	if i < 0 || p.Scrapes[i].Status == 0 && !strings.Contains(p.Scrapes[i].Err, "refused") {
		return p.declared(w)
	}
	s := &p.Scrapes[i]
	if s.Metrics {
		return nil
	}
	answer := fmt.Sprintf("answers %d", s.Status)
	switch {
	case s.Status == 0:
		answer = "does not listen"
	case s.Status == 200:
		answer = "answers with something that is no metrics"
	}
	text := fmt.Sprintf("asks to be scraped at :%s%s, and pod %s %s there", s.Port, s.Path, s.Pod, answer)
	other := p.metricsElsewhere(w)
	switch {
	case other == nil:
		f := odd(ScrapeFails, w.object(), text+"; nothing in this namespace was seen to have metrics", p.annotate(w, map[string]any{scrapeAnnotation: nil, portAnnotation: nil, pathAnnotation: nil}))
		return &f
	case other.Workload == w.object():
		f := bad(ScrapeFails, w.object(), fmt.Sprintf("%s; it has metrics at :%s%s", text, other.Port, other.Path), p.annotate(w, map[string]any{portAnnotation: other.Port, pathAnnotation: other.Path}))
		return &f
	}
	target := slices.IndexFunc(p.Workloads, func(o Workload) bool { return o.object() == other.Workload })
	f := bad(ScrapeFails, w.object(), fmt.Sprintf("%s; those that have metrics, and do not ask, are the pods of %s, at :%s%s", text, other.Workload, other.Port, other.Path),
		lines(p.annotate(w, map[string]any{scrapeAnnotation: nil, portAnnotation: nil, pathAnnotation: nil}),
			p.annotate(&p.Workloads[target], map[string]any{scrapeAnnotation: "true", portAnnotation: other.Port, pathAnnotation: other.Path})))
	return &f
}

// metricsElsewhere is where metrics were seen that nobody asks for: best in the
// same workload; nil when nowhere.
func (p *Picture) metricsElsewhere(w *Workload) *Scrape {
	var found *Scrape
	for i := range p.Scrapes {
		s := &p.Scrapes[i]
		if s.Metrics && !s.Asked && (found == nil || s.Workload == w.object()) {
			found = s
		}
	}
	return found
}

// declared compares the annotation with the ports of the containers, where the
// pods could not be asked.
func (p *Picture) declared(w *Workload) *Finding {
	wanted := w.Template.Annotations[portAnnotation]
	ports := containerPorts(&w.Template.Spec)
	if wanted == "" || len(ports) == 0 || slices.Contains(ports, wanted) {
		return nil
	}
	f := odd(ScrapeFails, w.object(), fmt.Sprintf("asks to be scraped at port %s, and its containers have port %s", wanted, strings.Join(ports, ", ")),
		p.annotate(w, map[string]any{portAnnotation: ports[0]}))
	return &f
}

// containerPorts are the TCP ports that containers name.
func containerPorts(spec *corev1.PodSpec) []string {
	var all []string
	for _, c := range spec.Containers {
		for _, port := range c.Ports {
			if port.Protocol == corev1.ProtocolTCP || port.Protocol == "" {
				all = append(all, strconv.Itoa(int(port.ContainerPort)))
			}
		}
	}
	return all
}

// newScraper makes a collector that scrapes what asks for it.
func (p *Picture) newScraper() string {
	relabel := func(action, source, target, regex, replacement string) map[string]any {
		r := map[string]any{"source_labels": strings.Split(source, " "), "action": action, "regex": regex}
		if target != "" {
			r["target_label"] = target
		}
		if replacement != "" {
			r["replacement"] = replacement
		}
		return r
	}
	const meta = "__meta_kubernetes_pod_annotation_prometheus_io_"
	job := map[string]any{
		"job_name": "pods", "scrape_interval": "30s",
		"kubernetes_sd_configs": []any{map[string]any{"role": "pod"}},
		"relabel_configs": []any{
			relabel("keep", meta+"scrape", "", "true", ""),
			relabel("replace", meta+"path", "__metrics_path__", "(.+)", ""),
			relabel("replace", "__address__ "+meta+"port", "__address__", `([^:]+)(?::\d+)?;(\d+)`, "$$1:$$2"),
		},
	}
	endpoint, before := p.endpointFor("grpc", emptyName)
	return lines(before, p.tools.apply(manifest(map[string]any{
		"apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector",
		"metadata": map[string]any{"name": "scrape", "namespace": p.home()},
		"spec": map[string]any{"config": map[string]any{
			"receivers": map[string]any{"prometheus": map[string]any{"config": map[string]any{"scrape_configs": []any{job}}}},
			"exporters": map[string]any{"otlp": map[string]any{"endpoint": strings.TrimPrefix(endpoint, "http://"), "tls": map[string]any{"insecure": true}}},
			"service":   map[string]any{"pipelines": map[string]any{"metrics": map[string]any{"receivers": []string{"prometheus"}, "exporters": []string{"otlp"}}}},
		}},
	})))
}

func scrapingFine(p *Picture) string {
	var objects []string
	for i := range p.Workloads {
		if w := &p.Workloads[i]; w.asksForScraping() {
			objects = append(objects, w.object())
		}
	}
	if len(objects) == 0 {
		return ""
	}
	return strings.Join(objects, ", ") + ": its metrics are found and scraped"
}

// names finds what metrics are really called.
func names(p *Picture) []Finding {
	if p.Metric == "" || len(p.Unseen[Names]) > 0 || slices.Contains(p.Names, p.Metric) {
		return nil
	}
	similar := alike(p.Metric, p.Names)
	if len(similar) == 0 {
		return []Finding{bad(NameMissing, p.Metric, fmt.Sprintf("the store has no metric of this name, nor one like it, among its %d", len(p.Names)), "")}
	}
	text := "the store has no metric of this name; it has " + strings.Join(similar, ", ")
	if p.exports("googlemanagedprometheus") {
		text += "; Google's monitoring calls it " + googleName(similar[0])
	}
	return []Finding{bad(NameOther, p.Metric, text, command(slices.Concat([]string{"signalbox", "doctor"}, p.tools.which(), []string{"-n", p.Namespace, "--metric", similar[0]})...))}
}

// exports reports whether a collector has an exporter of a type.
func (p *Picture) exports(kind string) bool {
	return slices.ContainsFunc(p.Collectors, func(c Collector) bool {
		for name := range component(c.Config, "exporters") {
			if typeOf(name) == kind && c.uses(name) {
				return true
			}
		}
		return false
	})
}

// googleName is what Google's managed Prometheus makes of a name.
func googleName(name string) string {
	kind := "gauge"
	for suffix, is := range map[string]string{"_total": "counter", "_bucket": "histogram"} {
		if strings.HasSuffix(name, suffix) {
			kind = is
		}
	}
	return "prometheus.googleapis.com/" + strings.TrimSuffix(name, "_bucket") + "/" + kind
}

// maxAlike is how many names are shown.
const maxAlike = 5

// alike are the names that are likely meant by another, the likeliest first:
// those that differ in dots, case, unit and suffix, then those that begin with
// it, then those that have all its words.
func alike(name string, all []string) []string {
	want := words(name)
	var same, begin, have []string
	for _, other := range all {
		got := words(other)
		switch {
		case slices.Equal(bare(got), bare(want)):
			same = append(same, other)
		case len(got) >= len(want) && slices.Equal(got[:len(want)], want):
			begin = append(begin, other)
		case len(want) > 1 && !slices.ContainsFunc(bare(want), func(w string) bool { return !slices.Contains(got, w) }):
			have = append(have, other)
		}
	}
	found := slices.Concat(same, begin, have)
	return found[:min(len(found), maxAlike)]
}

// words are those of a name, in lower case.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
}

// suffixes are what conversion between OpenTelemetry and Prometheus puts behind a
// name.
var suffixes = []string{"total", "seconds", "milliseconds", "ms", "s", "bytes", "ratio", "count", "sum", "bucket", "created", "percent"}

// bare are words without such.
func bare(list []string) []string {
	for len(list) > 1 && slices.Contains(suffixes, list[len(list)-1]) {
		list = list[:len(list)-1]
	}
	return list
}

func namesFine(p *Picture) string {
	if p.Metric == "" || len(p.Unseen[Names]) > 0 {
		return ""
	}
	return "the store has metric " + p.Metric
}
