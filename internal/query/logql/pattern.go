package logql

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// pattern is text with captures: <name> is a label, <_> is anything. Texts and
// captures take turns.
type pattern []patternPart

// patternPart is text, or a capture when it has a name.
type patternPart struct{ text, name string }

// compilePattern reads a pattern; named says that it must have a capture with a
// name, and otherwise that it must have none.
func compilePattern(src string, named bool) (pattern, error) {
	var p pattern
	seen := map[string]bool{}
	text := ""
	for rest := src; rest != ""; {
		name, length := captureAt(rest)
		if length == 0 {
			text, rest = text+rest[:1], rest[1:]
			continue
		}
		if text == "" && len(p) > 0 {
			return nil, fmt.Errorf("there is nothing between <%s> and <%s> that tells them apart", p[len(p)-1].name, name)
		}
		if text != "" {
			p, text = append(p, patternPart{text: text}), ""
		}
		if seen[name] && name != "_" {
			return nil, fmt.Errorf("<%s> is there twice", name)
		}
		seen[name] = true
		p, rest = append(p, patternPart{name: name}), rest[length:]
	}
	if text != "" {
		p = append(p, patternPart{text: text})
	}
	delete(seen, "_")
	switch {
	case len(p) == 0:
		return nil, errors.New("the pattern is empty")
	case named && len(seen) == 0:
		return nil, errors.New("the pattern has no <name> to make a label of")
	case !named && len(seen) > 0:
		return nil, errors.New("a pattern that filters lines has no names; write <_>")
	}
	return p, nil
}

// captureAt reads <name> at the beginning of s; length is 0 when there is none.
func captureAt(s string) (name string, length int) {
	if s[0] != '<' {
		return "", 0
	}
	end := strings.IndexByte(s, '>')
	if end < 0 || !labelName(s[1:end]) {
		return "", 0
	}
	return s[1:end], end + 1
}

// captures calls set for each named capture of line. When a text is missing, the
// capture before it has the rest of the line.
func (p pattern) captures(line string, set func(name, value string)) {
	if line == "" {
		return
	}
	if p[0].name == "" {
		rest, ok := strings.CutPrefix(line, p[0].text)
		if !ok {
			return
		}
		p, line = p[1:], rest
	}
	for len(p) > 0 {
		name, value, rest := p[0].name, line, ""
		missing := true
		if len(p) > 1 {
			if before, after, ok := strings.Cut(line, p[1].text); ok {
				value, rest, missing = before, after, false
			}
			p = p[1:]
		}
		if name != "_" {
			set(name, value)
		}
		if missing {
			return
		}
		p, line = p[1:], rest
	}
}

// matches reports whether the whole line has the form of p.
func (p pattern) matches(line string) bool {
	if line == "" {
		return false
	}
	for i, part := range p {
		if part.name != "" {
			continue
		}
		before, after, ok := strings.Cut(line, part.text)
		if !ok || i == 0 && before != "" {
			return false
		}
		line = after
	}
	return (p[len(p)-1].name != "") == (line != "")
}

// compileNamed compiles an expression for the parser regexp: each of its groups
// with a name makes a label.
func compileNamed(src string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(src)
	if err != nil {
		return nil, fmt.Errorf("this is no regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	found := map[string]bool{}
	for _, name := range re.SubexpNames() {
		switch {
		case name == "":
		case found[name]:
			return nil, fmt.Errorf("the group %s is there twice", name)
		case !labelName(name):
			return nil, fmt.Errorf("%q is not the name of a label", name)
		default:
			found[name] = true
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the expression has no group with a name, like (?P<method>[A-Z]+), to make a label of")
	}
	return re, nil
}

// addresses is a set of IP addresses.
type addresses struct{ from, to netip.Addr }

// parseAddresses reads an address, a range of two of them, or a prefix.
func parseAddresses(s string) (addresses, error) {
	if left, right, ok := strings.Cut(s, "-"); ok {
		from, err1 := netip.ParseAddr(strings.TrimSpace(left))
		to, err2 := netip.ParseAddr(strings.TrimSpace(right))
		if err := errors.Join(err1, err2); err != nil || from.Is4() != to.Is4() || to.Less(from) {
			return addresses{}, fmt.Errorf("%q is no range of addresses like 10.0.0.1-10.0.0.9", s)
		}
		return addresses{from, to}, nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return addresses{p.Masked().Addr(), lastOf(p)}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return addresses{}, fmt.Errorf("%q is no address, no range like 10.0.0.1-10.0.0.9 and no prefix like 10.0.0.0/8", s)
	}
	return addresses{a, a}, nil
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // as long as the address it came from
	return a
}

func (s addresses) has(a netip.Addr) bool {
	a = a.WithZone("")
	return a.Is4() == s.from.Is4() && !a.Less(s.from) && !s.to.Less(a)
}

// in reports whether one of the addresses that are written in line is in s.
func (s addresses) in(line string) bool {
	for i := 0; i < len(line); {
		if !addressByte(line[i]) {
			i++
			continue
		}
		end := i
		for end < len(line) && addressByte(line[end]) {
			end++
		}
		word := strings.Trim(line[i:end], ".")
		if a, err := netip.ParseAddr(word); err == nil && s.has(a) {
			return true
		}
		// A port may follow.
		if before, _, ok := cutLast(word, ':'); ok {
			if a, err := netip.ParseAddr(before); err == nil && a.Is4() && s.has(a) {
				return true
			}
		}
		i = end
	}
	return false
}

func cutLast(s string, c byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, c); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func addressByte(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':'
}
