package store

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// needles are texts that a value must hold, letter case ignored, to satisfy a
// condition: of each alternatives one. They decide which pages are read, and
// one of them where in a page the condition is evaluated.
type needles []alternatives

// alternatives are texts of which one must be there.
type alternatives []string

// Bounds of what is taken from a regular expression.
const (
	maxAlternatives = 32
	maxClassRunes   = 8
)

// needlesOf says what the values that satisfy c hold; nil when nothing is known.
func needlesOf(c Cond) needles {
	var n needles
	switch {
	case c.Op == Contains || c.Op == Eq && textual(c.Value):
		n = n.with(alternatives{c.Value.str})
	case c.Op == ContainsFold:
		for _, run := range strings.FieldsFunc(c.Value.str, func(r rune) bool { return r >= utf8.RuneSelf }) {
			n = n.with(alternatives{run})
		}
	case c.Op == Regexp:
		if re, err := syntax.Parse("(?s:"+c.Value.str+")", syntax.Perl); err == nil {
			r := literalsOf(re.Simplify())
			n = r.needles.with(r.exact)
		}
	}
	return n
}

// with adds alternatives, unless they say nothing.
func (n needles) with(a alternatives) needles {
	if len(a) == 0 || slices.Contains(a, "") {
		return n
	}
	return append(n, a)
}

// possible reports whether a page with this filter may hold what is needed.
func (n needles) possible(filter []byte) bool {
	for _, a := range n {
		if !slices.ContainsFunc(a, func(s string) bool { return hasGrams(filter, s) }) {
			return false
		}
	}
	return true
}

// longest returns the longest text known that every value holds; "" when there
// is none.
func (n needles) longest() string {
	longest := ""
	for _, a := range n {
		if s := a.common(); len(s) > len(longest) {
			longest = s
		}
	}
	return longest
}

// common is what all alternatives begin with.
func (a alternatives) common() string {
	s := a[0]
	for _, other := range a[1:] {
		n := 0
		for n < min(len(s), len(other)) && lowerByte[s[n]] == lowerByte[other[n]] {
			n++
		}
		s = s[:n]
	}
	return s
}

// literals is what is known of the texts that a regular expression matches.
type literals struct {
	// exact are all of them, in lower case; nil: they are too many.
	exact alternatives
	// needles is what each of them holds besides.
	needles needles
}

// anyText is what nothing is known of.
var anyText = literals{}

func literalsOf(re *syntax.Regexp) literals {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return literals{exact: alternatives{""}}
	case syntax.OpLiteral:
		parts := make([]literals, 0, len(re.Rune))
		for _, r := range re.Rune {
			parts = append(parts, letter(r, re.Flags&syntax.FoldCase != 0))
		}
		return inSequence(parts)
	case syntax.OpCharClass:
		return classLiterals(re.Rune)
	case syntax.OpCapture:
		return literalsOf(re.Sub[0])
	case syntax.OpPlus:
		l := literalsOf(re.Sub[0])
		return literals{needles: l.needles.with(l.exact)}
	case syntax.OpQuest:
		if l := literalsOf(re.Sub[0]); l.exact != nil && len(l.exact) < maxAlternatives {
			return literals{exact: append(l.exact, "")}
		}
	case syntax.OpConcat:
		parts := make([]literals, 0, len(re.Sub))
		for _, sub := range re.Sub {
			parts = append(parts, literalsOf(sub))
		}
		return inSequence(parts)
	case syntax.OpAlternate:
		return oneOf(re.Sub)
	}
	return anyText
}

// letter is one rune. Nothing is known of those beyond ASCII that are to match in
// any case, of those that ASCII letters may stand for, and of that which matches
// bytes that are no UTF-8.
func letter(r rune, fold bool) literals {
	switch {
	case r < utf8.RuneSelf:
		return literals{exact: alternatives{string(rune(lowerByte[r]))}}
	case fold || r == '\u212a' || r == '\u017f' || r == utf8.RuneError:
		return anyText
	}
	return literals{exact: alternatives{string(r)}}
}

// classLiterals is a class of runes, given as ranges.
func classLiterals(ranges []rune) literals {
	var l literals
	odd := 0
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] >= maxClassRunes {
			return anyText
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			switch {
			case r == '\u212a' || r == '\u017f':
				odd++
			case r >= utf8.RuneSelf:
				return anyText
			default:
				if s := string(rune(lowerByte[r])); !slices.Contains(l.exact, s) {
					l.exact = append(l.exact, s)
				}
			}
		}
	}
	// An odd letter is known only as another case of a plain one.
	plain := slices.Equal(l.exact, alternatives{"k"}) || slices.Equal(l.exact, alternatives{"s"})
	if len(l.exact) > maxClassRunes || odd > 0 && !plain {
		return anyText
	}
	return l
}

// inSequence joins what follows one another.
func inSequence(parts []literals) literals {
	all := literals{exact: alternatives{""}}
	run := alternatives{""} // what ends here
	for _, p := range parts {
		all.needles = append(all.needles, p.needles...)
		if p.exact != nil && len(run)*len(p.exact) <= maxAlternatives {
			run = joined(run, p.exact)
			continue
		}
		all.exact = nil
		all.needles = all.needles.with(run)
		if run = p.exact; run == nil {
			run = alternatives{""}
		}
	}
	if all.exact == nil {
		all.needles = all.needles.with(run)
		return all
	}
	all.exact = run
	return all
}

// joined is every text of a followed by every one of b.
func joined(a, b alternatives) alternatives {
	out := make(alternatives, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}

// oneOf is the alternation of subs: of each it takes what is hardest to find.
func oneOf(subs []*syntax.Regexp) literals {
	var exact, either alternatives
	allExact := true
	for _, sub := range subs {
		l := literalsOf(sub)
		allExact = allExact && l.exact != nil
		exact = append(exact, l.exact...)
		best := alternatives(nil)
		for _, a := range l.needles.with(l.exact) {
			if best == nil || a.shortest() > best.shortest() {
				best = a
			}
		}
		if best == nil {
			either = append(either, "")
		}
		either = append(either, best...)
	}
	if allExact && len(exact) <= maxAlternatives {
		return literals{exact: exact}
	}
	if len(either) > maxAlternatives {
		return anyText
	}
	return literals{needles: needles(nil).with(either)}
}

func (a alternatives) shortest() int {
	n := len(a[0])
	for _, s := range a {
		n = min(n, len(s))
	}
	return n
}
