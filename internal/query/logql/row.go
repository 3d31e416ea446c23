package logql

import (
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Labels with a meaning of their own.
const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
	// preserveLabel on a series says that its error is wanted.
	preserveLabel = "__preserve_error__"
	// extracted is put behind the name of a label made by a parser when the stream
	// has one of that name.
	extracted = "_extracted"
)

// What errorLabel says.
const (
	jsonError     = "JSONParserErr"
	logfmtError   = "LogfmtParserErr"
	filterError   = "LabelFilterErr"
	templateError = "TemplateFormatErr"
	sampleError   = "SampleExtractionErr"
)

// category says where a label of a row is from.
type category uint8

const (
	fromStream category = iota
	fromMetadata
	fromParser
)

// rowLabel is one label of a row.
type rowLabel struct {
	Label
	from category
}

// row is a record on its way through a pipeline. It is used again for the next
// record; what is kept of it is copied.
type row struct {
	log    *store.Log
	line   string
	stream *stream
	labels []rowLabel // filled by expand
	full   bool       // labels are filled
	err    string
	detail string
}

// reset makes r the row of a record; lines says that its body is there.
func (r *row) reset(l *store.Log, s *stream, lines bool) {
	r.log, r.stream, r.line = l, s, ""
	if lines {
		r.line = lineOf(l)
	}
	r.labels, r.full, r.err, r.detail = r.labels[:0], false, "", ""
}

// expand fills in all labels that the record has by itself. It waits for the
// first use because most rows are dropped by filters on lines.
func (r *row) expand() {
	if r.full {
		return
	}
	r.full = true
	for _, l := range r.stream.labels {
		r.labels = append(r.labels, rowLabel{l, fromStream})
	}
	metadata(r.log, r.stream, func(name, value string) {
		if r.inStream(name) {
			name += extracted
		}
		if !r.has(name) {
			r.labels = append(r.labels, rowLabel{Label{name, value}, fromMetadata})
		}
	})
}

func (r *row) inStream(name string) bool {
	for i := range r.stream.labels {
		if r.stream.labels[i].Name == name {
			return true
		}
	}
	return false
}

func (r *row) index(name string) int {
	for i := range r.labels {
		if r.labels[i].Name == name {
			return i
		}
	}
	return -1
}

func (r *row) has(name string) bool { return r.index(name) >= 0 }

// get is the value of a label, and whether there is one.
func (r *row) get(name string) (string, bool) {
	switch name {
	case errorLabel:
		return r.err, r.err != ""
	case detailsLabel:
		return r.detail, r.detail != ""
	}
	if !r.full {
		for i := range r.stream.labels {
			if r.stream.labels[i].Name == name {
				return r.stream.labels[i].Value, true
			}
		}
		if name == levelLabel {
			return detectedLevel(r.log), true
		}
		r.expand()
	}
	if i := r.index(name); i >= 0 {
		return r.labels[i].Value, true
	}
	return "", false
}

// set gives a label a value of the query's making.
func (r *row) set(name, value string) {
	switch name {
	case errorLabel:
		r.err = value
		return
	case detailsLabel:
		r.detail = value
		return
	}
	r.expand()
	l := rowLabel{Label{name, value}, fromParser}
	if i := r.index(name); i >= 0 {
		r.labels[i] = l
		return
	}
	r.labels = append(r.labels, l)
}

func (r *row) remove(name string) {
	switch name {
	case errorLabel:
		r.err = ""
		return
	case detailsLabel:
		r.detail = ""
		return
	}
	r.expand()
	if i := r.index(name); i >= 0 {
		r.labels = slices.Delete(r.labels, i, i+1)
	}
}

// rename gives a label another name; it stays what it was otherwise.
func (r *row) rename(from, to string) {
	r.expand()
	i := r.index(from)
	if i < 0 || from == to {
		return
	}
	l := r.labels[i]
	l.Name = to
	r.remove(from)
	r.remove(to)
	r.labels = append(r.labels, l)
}

// fail marks the row; the first error stays.
func (r *row) fail(kind string, err error) {
	if r.err == "" {
		r.err, r.detail = kind, err.Error()
	}
}

// result gives the labels of the kinds that are wanted, sorted. Labels without a
// value are left out, as if they were not there.
func (r *row) result(want func(category) bool) Labels {
	r.expand()
	out := make(Labels, 0, len(r.labels)+2)
	for _, l := range r.labels {
		if want(l.from) && l.Value != "" {
			out = append(out, Label{l.Name, strings.Clone(l.Value)})
		}
	}
	if r.err != "" && want(fromParser) {
		out = append(out, Label{errorLabel, r.err})
		if r.detail != "" {
			out = append(out, Label{detailsLabel, r.detail})
		}
	}
	out.sort()
	return out
}

func (ls Labels) sort() {
	slices.SortFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

// byStream reports whether the labels of the row's series are those of its stream
// alone, and so the same for the next row of it.
func (r *row) byStream(g *Grouping) bool {
	if g == nil || g.Without || r.full || r.err != "" {
		return false
	}
	for _, name := range g.Labels {
		if !r.inStream(name) {
			return false
		}
	}
	return true
}

// grouped gives the labels of the series that the row belongs to.
func (r *row) grouped(g *Grouping, dropped string) Labels {
	if g != nil && !g.Without && r.err == "" {
		out := make(Labels, 0, len(g.Labels))
		for _, name := range g.Labels {
			if v, _ := r.get(name); v != "" {
				out = append(out, Label{name, v})
			}
		}
		out.sort()
		return out
	}
	all := r.result(func(category) bool { return true })
	if r.err != "" {
		return all
	}
	return slices.DeleteFunc(all, func(l Label) bool {
		return l.Name == dropped || g != nil && slices.Contains(g.Labels, l.Name)
	})
}
