package collector

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// InvalidError refuses a configuration. It holds everything found wrong with
// it at once, sorted by place and each thing once.
type InvalidError struct{ Findings []migrate.Finding }

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is invalid:")
	for _, f := range e.Findings {
		b.WriteString("\n  ")
		b.WriteString(plain(f))
	}
	return b.String()
}

// plain is a finding on one line, where all of them are errors.
func plain(f migrate.Finding) string {
	f.Severity = ""
	return f.String()
}

// mistake is a finding that refuses a configuration.
func mistake(rule string, path []string, why string) migrate.Finding {
	return migrate.Finding{Rule: rule, Path: path, Why: why, Severity: migrate.Error}
}

// invalid makes an InvalidError of findings, nil of none.
func invalid(findings []migrate.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return &InvalidError{Findings: ordered(findings)}
}

// ordered sorts findings by place, and drops those that say the same twice.
func ordered(findings []migrate.Finding) []migrate.Finding {
	slices.SortStableFunc(findings, func(a, b migrate.Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			slices.Compare(a.Path, b.Path),
			cmp.Compare(a.Why, b.Why))
	})
	return slices.CompactFunc(findings, func(a, b migrate.Finding) bool { return a.String() == b.String() })
}

// flatten returns the single errors that errors.Join and its like put
// together.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	return []error{err}
}

// decodingNoise is what the decoder says around its findings.
var decodingNoise = regexp.MustCompile(`(?:'[^']*' )?decoding failed due to the following error\(s\):`)

// messages splits the text of a decoding error, which holds one finding on
// each line, into these.
func messages(err error) []string {
	var all []string
	for line := range strings.SplitSeq(decodingNoise.ReplaceAllString(err.Error(), "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, "yaml: unmarshal errors:") {
			all = append(all, line)
		}
	}
	return all
}

// maxNameLength is how long a name can be that somebody meant.
const maxNameLength = 100

// didYouMean is `; did you mean "x"?` with the known name nearest to name, or
// "" when none is near.
func didYouMean(name string, known []string) string {
	best, distance := "", max(1, len(name)/3)+1
	if name = squash(name); len(name) > maxNameLength {
		return ""
	}
	for _, k := range slices.Sorted(slices.Values(known)) {
		squashed := squash(k)
		if n := len(squashed) - len(name); n >= distance || -n >= distance {
			continue // as many letters differ at least
		}
		d := editDistance(name, squashed)
		if d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// squash drops what people vary in component names.
func squash(name string) string { return separators.Replace(strings.ToLower(name)) }

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

// editDistance counts the letters to insert, delete, replace or swap with
// their neighbour to make b of a.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
