package server

import (
	"net/http"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// fieldAnswer is one name that conditions can use.
type fieldAnswer struct {
	Name  string `json:"name"` // as conditions have it
	Key   string `json:"key"`
	Scope string `json:"scope"`
	Type  string `json:"type"`
	Count uint64 `json:"count,omitempty"` // records that have it, where known
}

// scopeNames names the places of fields in answers.
var scopeNames = [...]string{store.Intrinsic: "intrinsic", store.RecordAttr: "record", store.ResourceAttr: "resource",
	store.ScopeAttr: "instrumentation", store.EventAttr: "event", store.LinkAttr: "link", store.AnyAttr: "any"}

func (in *inputs) scope() store.Place {
	words := append([]string{scopeNames[store.AnyAttr]}, scopeNames[:store.AnyAttr]...)
	return store.Place(max(0, slices.Index(scopeNames[:], in.oneOf("scope", words...))))
}

// fieldsAnswer lists names.
type fieldsAnswer struct {
	Fields []fieldAnswer `json:"fields"`
	Report reportAnswer  `json:"report"`
}

func (s *Server) fields(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	var report store.Report
	q := store.FieldQuery{Kind: in.kind(), Field: store.Field{Place: in.scope()}, Match: in.text("match"), Limit: in.count("limit"), Report: &report}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	infos, err := s.engine.Fields(r.Context(), q)
	if err != nil {
		return err
	}
	a := fieldsAnswer{Fields: []fieldAnswer{}, Report: s.report(r.Context(), &report)}
	for _, f := range infos {
		a.Fields = append(a.Fields, fieldAnswer{f.Name, f.Field.Name, scopeNames[f.Field.Place], typeName(f.Type), f.Count})
	}
	return writeJSON(w, a)
}

// valueAnswer is one value of a field.
type valueAnswer struct {
	Text  string `json:"text"` // as conditions have it
	Type  string `json:"type"`
	Value any    `json:"value"`
	Count uint64 `json:"count,omitempty"` // records that have it, where known
}

func valueAnswerOf(f store.Field, v store.FieldValue) valueAnswer {
	return valueAnswer{query.FormatValue(f, v.Value), typeName(v.Value.Type), valueOf(v.Value), v.Count}
}

// valuesAnswer lists values.
type valuesAnswer struct {
	Values []valueAnswer `json:"values"`
	Report reportAnswer  `json:"report"`
}

func (s *Server) fieldValues(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	var report store.Report
	kind := in.kind()
	q := store.FieldQuery{Kind: kind, Field: in.field(kind, "field", in.text("field")), Match: in.text("match"), Limit: in.count("limit"), Report: &report}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	values, err := s.engine.Values(r.Context(), q)
	if err != nil {
		return err
	}
	a := valuesAnswer{Values: []valueAnswer{}, Report: s.report(r.Context(), &report)}
	for _, v := range values {
		answer := valueAnswerOf(q.Field, v.FieldValue)
		answer.Text = v.Text
		a.Values = append(a.Values, answer)
	}
	return writeJSON(w, a)
}

// facetAnswer counts the values of one field.
type facetAnswer struct {
	Field    string        `json:"field"` // as conditions have it
	Records  uint64        `json:"records"`
	Distinct int           `json:"distinct"`
	Values   []valueAnswer `json:"values"`
}

// facetsAnswer counts values among the records that match.
type facetsAnswer struct {
	Records uint64        `json:"records"`
	Facets  []facetAnswer `json:"facets"`
	Report  reportAnswer  `json:"report"`
}

func (s *Server) facets(w http.ResponseWriter, r *http.Request) error {
	in := s.inputs(r)
	kind := in.kind()
	q := query.FacetSearch{Kind: kind, Where: in.condition(kind), Values: in.count("values")}
	for _, name := range in.texts("field") {
		q.Fields = append(q.Fields, in.field(kind, "field", name))
	}
	q.Start, q.End = in.span()
	if err := in.check(); err != nil {
		return err
	}
	found, err := s.engine.Facets(r.Context(), q)
	if err != nil {
		return err
	}
	a := facetsAnswer{Records: found.Records, Facets: []facetAnswer{}, Report: s.report(r.Context(), &found.Report)}
	for _, f := range found.Facets {
		facet := facetAnswer{query.FormatField(kind, f.Field), f.Records, f.Distinct, []valueAnswer{}}
		for _, v := range f.Values {
			facet.Values = append(facet.Values, valueAnswerOf(f.Field, v))
		}
		a.Facets = append(a.Facets, facet)
	}
	return writeJSON(w, a)
}
