package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// searchTexts are texts with letters of every kind in which pieces come again.
func searchTexts(r *rand.Rand, n int) []string {
	pieces := []string{"error", "ERROR", "Kelvin", "\u212aelvin", "mas\u017f", "mass", "é", "É", "user-0042", "timeout", "a", "", " ",
		"\xff\xfe", "\u212a", "\xe2\x84", "4e21c0aa-58f3", "path=/api/v1", "ſſ", "日本", "{\"k\":1}", "\n"}
	out := make([]string, n)
	for i := range out {
		for range r.IntN(6) {
			out[i] += pieces[r.IntN(len(pieces))]
		}
	}
	return out
}

// searchConds are conditions on texts, of which some hold.
func searchConds(r *rand.Rand, texts []string) (conds []Cond) {
	for range 20 {
		s := texts[r.IntN(len(texts))]
		from := r.IntN(len(s) + 1)
		s = s[from : from+r.IntN(len(s)-from+1)]
		for _, op := range []Op{Eq, Contains, ContainsFold} {
			conds = append(conds, Cond{Op: op, Value: StringValue(s)}, Cond{Op: op, Value: StringValue(strings.ToUpper(s))})
		}
	}
	for _, re := range []string{"error", ".*err(or|no).*", "(?i).*kelvin.*", "(?i)(.*)MASS(.*)", ".*(timeout|user-[0-9]+).*", ".*[Ee]rror.*", ".*é.*", "(?i).*É.*",
		".*(?:user-0042|path=/api/v[12]).*", ".*\u212a.*", "(?i).*\u212aelvin", ".*(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d).*", ".*\ufffd.*", "(error)+", "(error)?.*", ".*x{3}.*",
		".*[^a].*timeout", "(?i:k)elvin.*", "\\Qpath=/api\\E.*", ".*mas[sſ].*", ".*日.*", "(|error)(|timeout).*", ".*\\berror\\b.*", "[\u212a]elvin.*", "nothing-of-this.*"} {
		conds = append(conds, Cond{Op: Regexp, Value: StringValue(re)})
	}
	return conds
}

// TestTextSearchAgrees compares what is found by filters and in strips with what
// the condition says of each text.
func TestTextSearchAgrees(t *testing.T) {
	const seed = 19
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	ruledOut, found := 0, 0
	for range 120 {
		texts := searchTexts(r, 1+r.IntN(30))
		filter, strip, ends := newGramFilter(), []byte(nil), []uint32(nil)
		for _, s := range texts {
			filter.add([]byte(s))
			strip = append(strip, s...)
			ends = append(ends, 1000+uint32(len(strip)))
		}
		grams := filter.take(nil)
		if !validGrams(grams) {
			t.Fatalf("a filter of %d bytes", len(grams))
		}
		for _, c := range searchConds(r, texts) {
			m, err := NewMatcher(c)
			if err != nil {
				t.Fatal(err)
			}
			accept := func(b []byte) (bool, bool) { return c.holds(StringValue(string(b)), m.regexps[c.Value.str]), true }
			var want, got []int
			for i, s := range texts {
				if ok, _ := accept([]byte(s)); ok {
					want = append(want, i)
				}
			}
			pred := textPredicate{}
			pred.look(c, m.needles[c])
			x := pred.search
			if x == nil {
				continue
			}
			if !x.needles.possible(grams) {
				ruledOut++
				if len(want) > 0 {
					t.Fatalf("%v %q: the filter rules out %q", c.Op, c.Value.str, texts[want[0]])
				}
			}
			if len(x.literal) == 0 {
				continue
			}
			found += len(want)
			if x.find(strip, ends, 1000, accept, func(i int) { got = append(got, i) }) || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v %q in %q: got %v; want %v", c.Op, c.Value.str, texts, got, want)
			}
		}
	}
	if ruledOut < 500 || found < 500 {
		t.Errorf("%d pages ruled out, %d texts found: the test says little", ruledOut, found)
	}
}

// TestNeedles shows what is taken from conditions.
func TestNeedles(t *testing.T) {
	f := func(op Op, value, want string) {
		t.Helper()
		got := [][]string{}
		for _, a := range needlesOf(Cond{Op: op, Value: StringValue(value)}) {
			got = append(got, a)
		}
		if fmt.Sprintf("%q", got) != want {
			t.Errorf("%q: got %q; want %s", value, got, want)
		}
	}
	f(Contains, "Half", `[["Half"]]`)
	f(ContainsFold, "Naïve Text", `[["Na"] ["ve Text"]]`)
	f(Regexp, ".*(error|errno) [0-9]+ at line.*", `[["error " "errno "] [" at line"]]`)
	f(Regexp, "(?i).*Stock.*", `[["stock"]]`)
	f(Regexp, ".*[Tt]imeout( of)?.*", `[["timeout of" "timeout"]]`)
	f(Regexp, "(GET|POST|.*).*", "[]")
	f(Regexp, ".*(connection (refused|reset)|broken.*pipe).*", `[["connection refused" "connection reset" "broken"]]`)
	f(Regexp, "(abcd)+", `[["abcd"]]`)
	f(Ne, "abcd", "[]")
}

// TestGramFilterSizes checks that filters stay small and answer right.
func TestGramFilterSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 16<<20)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	f := newGramFilter()
	if f.add(random); len(f.take(nil)) > 0 {
		t.Error("a filter of random bytes says something")
	}
	for _, n := range []int{0, 1, 100, 4096, 400_000} {
		for i := range n {
			f.add(fmt.Appendf(nil, "%08x", uint32(i)*2654435761))
		}
		b := f.take(nil)
		if !validGrams(b) {
			t.Errorf("%d texts: a filter of %d bytes", n, len(b))
		}
		if n != 4096 {
			continue
		}
		if len(b) > 8*n {
			t.Errorf("%d texts: a filter of %d bytes", n, len(b))
		}
		wrong := 0
		for range 1000 {
			if hasGrams(b, fmt.Sprintf("zz%08xzz", r.Uint32())) {
				wrong++
			}
		}
		if wrong > 20 {
			t.Errorf("%d of 1,000 texts that are nowhere are said to be possible", wrong)
		}
		for i := range n {
			if !hasGrams(b, fmt.Sprintf("%08X", uint32(i)*2654435761)) {
				t.Fatalf("text %d is said to be impossible", i)
			}
		}
	}
}

// FuzzNeedles looks for texts that satisfy a condition and lack what is said to
// be in all that do.
func FuzzNeedles(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	texts := searchTexts(r, 10)
	for _, c := range searchConds(r, texts) {
		f.Add(uint8(c.Op), c.Value.str, texts[r.IntN(len(texts))])
	}
	filter := newGramFilter()
	f.Fuzz(func(t *testing.T, op uint8, value, text string) {
		c := Cond{Op: Op(op), Value: StringValue(value)}
		m, err := NewMatcher(c)
		if err != nil || len(value) > 200 || !c.holds(StringValue(text), m.regexps[value]) {
			return
		}
		x := textPredicate{}
		if x.look(c, m.needles[c]); x.search == nil {
			return
		}
		filter.add([]byte(text))
		if !x.search.needles.possible(filter.take(nil)) {
			t.Errorf("%q satisfies %v %q; its filter rules it out", text, c.Op, value)
		}
		found := false
		accept := func(b []byte) (bool, bool) { return c.holds(StringValue(string(b)), m.regexps[value]), true }
		if x.search.hasLiteral() && text != "" {
			x.search.find([]byte(text), []uint32{uint32(len(text))}, 0, accept, func(int) { found = true })
			if !found {
				t.Errorf("%q satisfies %v %q and is not found", text, c.Op, value)
			}
		}
	})
}
