package logql

import (
	"errors"
	"strconv"
	"strings"
)

var errLogfmt = errors.New("the line is no logfmt: a quote, a key or = is out of place")

// walkLogfmt calls set for each key of a line like key=value other="a text".
// A key without = has the value "". What is malformed is left out, or an error
// when strict.
func walkLogfmt(line string, strict bool, set func(key, value string)) error {
	for i := 0; i < len(line); {
		if line[i] <= ' ' {
			i++
			continue
		}
		start := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' && line[i] != '"' {
			i++
		}
		key := line[start:i]
		if key == "" || i < len(line) && line[i] == '"' {
			if strict {
				return errLogfmt
			}
			i = nextBlank(line, i+1)
			continue
		}
		if i == len(line) || line[i] != '=' {
			set(key, "")
			continue
		}
		i++
		if i < len(line) && line[i] == '"' {
			value, end, ok := logfmtText(line, i)
			if ok {
				set(key, value)
			} else if strict {
				return errLogfmt
			}
			i = end
			continue
		}
		start = i
		for i < len(line) && line[i] > ' ' {
			if strict && (line[i] == '=' || line[i] == '"') {
				return errLogfmt
			}
			i++
		}
		set(key, line[start:i])
	}
	return nil
}

func nextBlank(line string, i int) int {
	for i < len(line) && line[i] > ' ' {
		i++
	}
	return i
}

// logfmtText reads the quoted text at i.
func logfmtText(line string, i int) (value string, end int, ok bool) {
	escaped := false
	for end = i + 1; end < len(line); end++ {
		switch line[end] {
		case '\\':
			escaped = true
			end++
		case '"':
			end++
			raw := line[i:end]
			if !escaped {
				return raw[1 : len(raw)-1], end, true
			}
			if s, err := strconv.Unquote(strings.ReplaceAll(raw, "\n", `\n`)); err == nil {
				return s, end, true
			}
			return strings.ReplaceAll(raw[1:len(raw)-1], `\"`, `"`), end, true
		}
	}
	return "", len(line), false
}
