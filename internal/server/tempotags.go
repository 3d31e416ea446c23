package server

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// tagsQuery turns tags, written as logfmt, into the query that means the same: of
// each tag a value of that name contains the text, letter case ignored.
func tagsQuery(tags string) string {
	var conditions []string
	for _, pair := range logfmt(tags) {
		contains := strconv.Quote("(?i).*" + regexp.QuoteMeta(pair[1]) + ".*")
		field := "." + strconv.Quote(pair[0])
		one := field + " =~ " + contains
		switch pair[0] {
		case "name":
			one = "name =~ " + contains
		case "root.name":
			one = "rootName =~ " + contains
		case "root.service.name":
			one = "rootServiceName =~ " + contains
		case "error":
			if pair[1] == "true" {
				one = "(status = error || " + field + " = true || " + one + ")"
			}
		case "status.code":
			if slices.Contains([]string{"ok", "error", "unset"}, pair[1]) {
				one = "status = " + pair[1]
			}
		default:
			if _, err := strconv.ParseInt(pair[1], 10, 64); err == nil {
				one = "(" + one + " || " + field + " = " + pair[1] + ")"
			} else if pair[1] == "true" || pair[1] == "false" {
				one = "(" + one + " || " + field + " = " + pair[1] + ")"
			}
		}
		conditions = append(conditions, one)
	}
	return "{ " + strings.Join(conditions, " && ") + " }"
}

// logfmt reads key=value pairs; values may be in double quotes, and what has no
// value is a tag that is true.
func logfmt(s string) (pairs [][2]string) {
	for {
		if s = strings.TrimLeft(s, " \t\n"); s == "" {
			return pairs
		}
		end := strings.IndexAny(s, "= \t\n")
		if end < 0 {
			return append(pairs, [2]string{s, "true"})
		}
		key := s[:end]
		if s[end] != '=' {
			pairs = append(pairs, [2]string{key, "true"})
			s = s[end:]
			continue
		}
		s = s[end+1:]
		if quoted, err := strconv.QuotedPrefix(s); err == nil {
			value, err := strconv.Unquote(quoted)
			if err == nil {
				pairs = append(pairs, [2]string{key, value})
				s = s[len(quoted):]
				continue
			}
		}
		value, rest, _ := strings.Cut(s, " ")
		pairs = append(pairs, [2]string{key, value})
		s = rest
	}
}

// tempoScopes are the scopes of Tempo's API, in the order of answers.
var tempoScopes = []struct {
	name  string
	place store.Place
}{
	{"event", store.EventAttr}, {"instrumentation", store.ScopeAttr}, {"link", store.LinkAttr},
	{"resource", store.ResourceAttr}, {"span", store.RecordAttr},
}

// lookback is how far back attributes and their values are looked for when the
// client names no time.
const tagsLookback = 24 * time.Hour

// maxTags is how many names or values an answer has, when the client does not
// say.
const maxTags = 5000

// tempoTagScope has the names of one scope.
type tempoTagScope struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// tagScopes reads the names of attributes by scope.
func (s *Server) tagScopes(r *http.Request) ([]tempoTagScope, error) {
	in := s.tempoInputs(r)
	limit := in.count("limit")
	if limit == 0 || limit > maxTags {
		limit = maxTags
	}
	start, end := in.span(tagsLookback)
	scope := in.Get("scope")
	if in.err != nil {
		return nil, in.err
	}
	all := []tempoTagScope{}
	known := scope == "" || scope == "none" || scope == "intrinsic"
	for _, sc := range tempoScopes {
		if scope != "" && scope != "none" && scope != sc.name {
			continue
		}
		known = true
		tags, err := s.tagNames(r.Context(), store.FieldQuery{Kind: store.Spans, Start: start, End: end, Field: store.Field{Place: sc.place}, Limit: limit})
		if err != nil {
			return nil, err
		}
		if len(tags) > 0 {
			all = append(all, tempoTagScope{sc.name, tags})
		}
	}
	if !known {
		return nil, &paramError{"scope", fmt.Errorf("%q is none of event, instrumentation, intrinsic, link, resource, span", scope)}
	}
	if scope == "" || scope == "none" || scope == "intrinsic" {
		all = append(all, tempoTagScope{"intrinsic", traceql.Intrinsics()})
	}
	return all, nil
}

// tagNames are the names of the attributes of one place, sorted.
func (s *Server) tagNames(ctx context.Context, q store.FieldQuery) ([]string, error) {
	var report store.Report
	q.Report = &report
	infos, err := s.engine.Fields(ctx, q)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range infos {
		names = append(names, repaired(f.Field.Name))
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (s *Server) tempoTags(w http.ResponseWriter, r *http.Request) error {
	scopes, err := s.tagScopes(r)
	if err != nil {
		return err
	}
	names := []string{}
	for _, scope := range scopes {
		if scope.Name != "intrinsic" || r.URL.Query().Get("scope") == "intrinsic" {
			names = append(names, scope.Tags...)
		}
	}
	slices.Sort(names)
	return writeJSON(w, map[string]any{"tagNames": slices.Compact(names)})
}

func (s *Server) tempoTagsV2(w http.ResponseWriter, r *http.Request) error {
	scopes, err := s.tagScopes(r)
	if err != nil {
		return err
	}
	return writeJSON(w, map[string]any{"scopes": scopes})
}

// tagValues reads the values of the field that a request names.
func (s *Server) tagValues(r *http.Request, field func(tag string) string) ([]traceql.Value, error) {
	in := s.tempoInputs(r)
	tag := r.PathValue("tag")
	if again, err := url.PathUnescape(tag); err == nil {
		tag = again // Grafana escapes it twice
	}
	search := traceql.ValueSearch{Field: field(tag), Query: in.Get("q"), Limit: in.count("limit")}
	if search.Limit == 0 || search.Limit > maxTags {
		search.Limit = maxTags
	}
	search.Start, search.End = in.span(tagsLookback)
	if in.err != nil {
		return nil, in.err
	}
	var report store.Report
	return s.traceql.Values(r.Context(), search, &report)
}

// tempoTagValues answers about a name as the first version of the API has it: an
// intrinsic, or an attribute of any scope.
func (s *Server) tempoTagValues(w http.ResponseWriter, r *http.Request) error {
	values, err := s.tagValues(r, func(tag string) string {
		if slices.Contains(traceql.Intrinsics(), tag) {
			return tag
		}
		return "." + strconv.Quote(tag)
	})
	if err != nil {
		return err
	}
	texts := []string{}
	for _, v := range values {
		texts = append(texts, repaired(v.Text()))
	}
	slices.Sort(texts)
	return writeJSON(w, map[string]any{"tagValues": slices.Compact(texts)})
}

// tempoTagValue is one value with its type.
type tempoTagValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (s *Server) tempoTagValuesV2(w http.ResponseWriter, r *http.Request) error {
	values, err := s.tagValues(r, func(tag string) string { return tag })
	if err != nil {
		return err
	}
	all := []tempoTagValue{}
	for _, v := range values {
		all = append(all, tempoTagValue{v.Type(), repaired(v.Text())})
	}
	return writeJSON(w, map[string]any{"tagValues": all})
}
