package logql

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// step is a compiled stage: it changes the row, and says whether it stays. A
// step is used by one goroutine.
type step func(r *row) bool

// compileStages makes steps of stages. Parse has checked what can be wrong with
// text from users; an error is of a tree that was put together otherwise.
func compileStages(stages []Stage) ([]step, error) {
	steps := make([]step, 0, len(stages))
	for _, s := range stages {
		st, err := compileStage(s)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", s, err)
		}
		steps = append(steps, st)
	}
	return steps, nil
}

func compileStage(s Stage) (step, error) {
	switch s := s.(type) {
	case *LineFilter:
		return compileLineFilter(s)
	case *Parser:
		return compileParser(s)
	case LabelFilter:
		return compileFilter(s)
	case *LineFormat:
		t, err := newTemplate(s.Template)
		if err != nil {
			return nil, err
		}
		return func(r *row) bool {
			if line, err := t.execute(r); err != nil {
				r.fail(templateError, err)
			} else {
				r.line = line
			}
			return true
		}, nil
	case *LabelFormat:
		return compileLabelFormat(s)
	case *Prune:
		if s.Keep {
			return keepStep(s.Labels), nil
		}
		return dropStep(s.Labels), nil
	case Decolorize:
		return func(r *row) bool {
			if strings.IndexByte(r.line, '\x1b') >= 0 {
				r.line = escapes.ReplaceAllLiteralString(r.line, "")
			}
			return true
		}, nil
	}
	return nil, errors.New("unknown stage")
}

// escapes are the sequences that set colours and move the cursor.
var escapes = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[()][A-Za-z0-9]|\x1b[=>A-Z]")

func compileLineFilter(f *LineFilter) (step, error) {
	tests := make([]func(string) bool, len(f.Terms))
	for i, t := range f.Terms {
		test, err := compileTerm(f.Op, t)
		if err != nil {
			return nil, err
		}
		tests[i] = test
	}
	want := f.Op%2 == 0
	return func(r *row) bool {
		for _, test := range tests {
			if test(r.line) {
				return want
			}
		}
		return !want
	}, nil
}

func compileTerm(op LineOp, t LineTerm) (func(string) bool, error) {
	switch {
	case t.IP:
		set, err := parseAddresses(t.Text)
		return set.in, err
	case op == LineContains, op == LineNotContains:
		return func(line string) bool { return strings.Contains(line, t.Text) }, nil
	case op == LineRegexp, op == LineNotRegexp:
		re, err := regexp.Compile(t.Text)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	p, err := compilePattern(t.Text, false)
	return p.matches, err
}

func compileParser(p *Parser) (step, error) {
	switch p.Kind {
	case JSON:
		return compileJSON(p)
	case Logfmt:
		return compileLogfmt(p), nil
	case Regexp:
		re, err := compileNamed(p.Param)
		if err != nil {
			return nil, err
		}
		names := re.SubexpNames()
		return func(r *row) bool {
			m := re.FindStringSubmatchIndex(r.line)
			for i := 1; i < len(names) && m != nil; i++ {
				if names[i] != "" && m[2*i] >= 0 {
					r.extract(names[i], r.line[m[2*i]:m[2*i+1]])
				}
			}
			return true
		}, nil
	case Pattern:
		pat, err := compilePattern(p.Param, true)
		return func(r *row) bool {
			pat.captures(r.line, r.extract)
			return true
		}, err
	case Unpack:
		return unpackStep, nil
	}
	return nil, errors.New("unknown parser")
}

// extract sets a label that a parser found. What the stream says stays, and what
// an earlier key, stage or parser made.
func (r *row) extract(name, value string) {
	if name == "" {
		return
	}
	if r.inStream(name) {
		name += extracted
	}
	r.expand()
	if i := r.index(name); i < 0 || r.labels[i].from != fromParser {
		r.set(name, value)
	}
}

func compileJSON(p *Parser) (step, error) {
	if len(p.Take) == 0 {
		return func(r *row) bool {
			w := jsonWalker{s: r.line}
			w.space()
			if err := w.paths(nil, func(path []string, value string) { r.extract(labelOf(path), value) }); err != nil {
				r.fail(jsonError, err)
			}
			return true
		}, nil
	}
	paths := make([][]pathStep, len(p.Take))
	for i, x := range p.Take {
		path, err := parsePath(x.Path)
		if err != nil {
			return nil, err
		}
		paths[i] = path
	}
	return func(r *row) bool {
		for i, path := range paths {
			w := jsonWalker{s: r.line}
			w.space()
			if w.byte() != '{' && w.byte() != '[' {
				r.fail(jsonError, errJSON)
				return true
			}
			value, found, err := w.find(path)
			if err != nil {
				r.fail(jsonError, err)
				return true
			}
			if found {
				r.extract(p.Take[i].Name, value)
			}
		}
		return true
	}, nil
}

func compileLogfmt(p *Parser) step {
	var only map[string][]string
	if len(p.Take) > 0 {
		only = map[string][]string{}
		for _, x := range p.Take {
			only[x.Path] = append(only[x.Path], x.Name)
		}
	}
	return func(r *row) bool {
		err := walkLogfmt(r.line, p.Strict, func(key, value string) {
			switch {
			case value == "" && !p.KeepEmpty:
			case only == nil:
				r.extract(sanitize(key, true), value)
			default:
				for _, label := range only[key] {
					r.extract(label, value)
				}
			}
		})
		if err != nil {
			r.fail(logfmtError, err)
		}
		return true
	}
}

// entryKey holds the line in a packed one.
const entryKey = "_entry"

// unpackStep takes apart what Promtail's pack stage put together: labels of the
// texts of an object, and the line of its _entry.
func unpackStep(r *row) bool {
	w := jsonWalker{s: r.line}
	w.space()
	entry, packed := "", false
	err := w.object(func(key string) error {
		if w.byte() != '"' {
			_, err := w.skip()
			return err
		}
		value, err := w.text()
		switch {
		case err != nil:
		case key == entryKey:
			entry, packed = value, true
		default:
			r.extract(sanitize(key, true), value)
		}
		return err
	})
	if err != nil {
		r.fail(jsonError, err)
	} else if packed {
		r.line = entry
	}
	return true
}

func compileFilter(f LabelFilter) (step, error) {
	switch f := f.(type) {
	case *StringFilter:
		return func(r *row) bool {
			v, _ := r.get(f.Name)
			return f.Matches(v)
		}, nil
	case *NumberFilter:
		return numberStep(f), nil
	case *IPFilter:
		set, err := parseAddresses(f.Range)
		return func(r *row) bool {
			v, ok := r.get(f.Name)
			if r.err != "" || !ok {
				return r.err != ""
			}
			a, err := netip.ParseAddr(v)
			if err != nil {
				return set.in(v) != f.Negate
			}
			return set.has(a) != f.Negate
		}, err
	case *BinaryFilter:
		left, err := compileFilter(f.Left)
		if err != nil {
			return nil, err
		}
		right, err := compileFilter(f.Right)
		if f.Or {
			return func(r *row) bool { return left(r) || right(r) }, err
		}
		return func(r *row) bool { return left(r) && right(r) }, err
	}
	return nil, errors.New("unknown condition")
}

// numberStep compares as a number. A row whose label is none stays, with an
// error; one that has an error already stays as it is.
func numberStep(f *NumberFilter) step {
	convert := parsePlain
	switch f.Unit {
	case Duration:
		convert = durationNanos
	case Bytes:
		convert = sizeBytes
	}
	return func(r *row) bool {
		if r.err != "" {
			return true
		}
		text, ok := r.get(f.Name)
		if !ok {
			return false
		}
		v, err := convert(text)
		if err != nil {
			r.fail(filterError, err)
			return true
		}
		return compare(string(f.Op), v, f.Value)
	}
}

func parsePlain(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func durationNanos(s string) (float64, error) {
	d, ok := parseDuration(s)
	if !ok {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	return float64(d), nil
}

// durationSeconds is for unwrap and templates.
func durationSeconds(s string) (float64, error) {
	n, err := durationNanos(s)
	return n / 1e9, err
}

func sizeBytes(s string) (float64, error) {
	n, ok := parseBytes(s)
	if !ok {
		return 0, fmt.Errorf("%q is no size", s)
	}
	return n, nil
}

// compare applies a comparison of numbers.
func compare(op string, a, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

func compileLabelFormat(s *LabelFormat) (step, error) {
	templates := make([]*lineTemplate, len(s.Formats))
	for i, f := range s.Formats {
		if !f.Template {
			continue
		}
		t, err := newTemplate(f.From)
		if err != nil {
			return nil, err
		}
		templates[i] = t
	}
	return func(r *row) bool {
		for i, f := range s.Formats {
			if templates[i] == nil {
				r.rename(f.From, f.Name)
				continue
			}
			if v, err := templates[i].execute(r); err != nil {
				r.fail(templateError, err)
			} else {
				r.set(f.Name, v)
			}
		}
		return true
	}, nil
}

func dropStep(labels []PruneLabel) step {
	return func(r *row) bool {
		for _, l := range labels {
			if v, ok := r.get(l.Name); ok && (l.Match == nil || l.Match.Matches(v)) {
				r.remove(l.Name)
				if l.Name == errorLabel {
					r.detail = ""
				}
			}
		}
		return true
	}
}

func keepStep(labels []PruneLabel) step {
	return func(r *row) bool {
		r.expand()
		r.labels = slices.DeleteFunc(r.labels, func(have rowLabel) bool {
			if strings.HasPrefix(have.Name, "__") {
				return false
			}
			return !slices.ContainsFunc(labels, func(l PruneLabel) bool {
				return l.Name == have.Name && (l.Match == nil || l.Match.Matches(have.Value))
			})
		})
		return true
	}
}

// unwrapStep takes a row's value from a label. It reports whether there is one.
func unwrapStep(u *Unwrap) (func(r *row) (float64, bool), error) {
	filters := make([]step, 0, len(u.Filters))
	for _, f := range u.Filters {
		st, err := compileFilter(f)
		if err != nil {
			return nil, err
		}
		filters = append(filters, st)
	}
	convert := parsePlain
	switch u.Convert {
	case "duration", "duration_seconds":
		convert = durationSeconds
	case "bytes":
		convert = sizeBytes
	}
	return func(r *row) (float64, bool) {
		text, _ := r.get(u.Label)
		if text == "" {
			return 0, false
		}
		v, err := convert(text)
		if err != nil {
			r.fail(sampleError, err)
		}
		for _, f := range filters {
			if !f(r) {
				return 0, false
			}
		}
		return v, true
	}, nil
}
