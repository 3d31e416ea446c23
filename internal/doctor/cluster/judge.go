package cluster

import (
	"cmp"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/doctor"
)

// rule looks at a picture for one area.
type rule struct {
	area Area
	// look finds what is wrong.
	look func(*Picture) []Finding
	// fine is what to say when nothing is; "" says nothing.
	fine func(*Picture) string
}

// rules are all of them. Several may be about one area.
var rules = []rule{
	{Definitions, definitions, definitionsFine},
	{Operator, operation, operationFine},
	{Webhooks, webhooks, webhooksFine},
	{Webhooks, certificates, nil},
	{Rights, rights, rightsFine},
	{Collectors, collectors, collectorsFine},
	{Store, store, storeFine},
	{Instrumentation, annotations, instrumentationFine},
	{Instrumentation, decisions, nil},
	{Instrumentation, environment, nil},
	{Endpoints, endpoints, endpointsFine},
	{Endpoints, pipelines, nil},
	{Scraping, scraping, scrapingFine},
	{Network, network, networkFine},
	{Names, names, namesFine},
}

// severity orders statuses: what stops data comes first.
var severity = []doctor.Status{doctor.Error, doctor.Warning, doctor.Unknown, doctor.OK}

// Judge says what is wrong with a cluster, area by area: errors first, then what
// is odd, then what could not be seen. An area in which nothing is wrong says
// what was looked at.
func Judge(p *Picture) []Finding {
	found := map[Area][]Finding{}
	var order []Area
	for _, r := range rules {
		if !slices.Contains(order, r.area) {
			order = append(order, r.area)
			for _, text := range p.Unseen[r.area] {
				found[r.area] = append(found[r.area], unseen("", text))
			}
		}
		found[r.area] = append(found[r.area], r.look(p)...)
	}
	var all []Finding
	for _, area := range order {
		list := found[area]
		if len(list) == 0 {
			list = goodOf(p, area)
		}
		for i := range list {
			list[i].Area = area
		}
		slices.SortStableFunc(list, func(a, b Finding) int {
			return cmp.Compare(slices.Index(severity, a.Status), slices.Index(severity, b.Status))
		})
		all = append(all, list...)
	}
	return all
}

// goodOf is what is said of an area in which nothing is wrong.
func goodOf(p *Picture, area Area) []Finding {
	for _, r := range rules {
		if r.area == area && r.fine != nil {
			if text := r.fine(p); text != "" {
				return []Finding{fine(text)}
			}
		}
	}
	return nil
}
