package logql

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"
)

// templateFuncs are the functions of templates. Those that make text make at
// most maxTemplateOutput of it; they replace text/template's own where those have
// no bound.
var templateFuncs = template.FuncMap{
	"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "lower": strings.ToLower, "upper": strings.ToUpper, "title": title,
	"Replace": replaceN, "replace": func(old, new, s string) (string, error) { return replaceN(s, old, new, -1) },
	"Trim": strings.Trim, "TrimLeft": strings.TrimLeft, "TrimRight": strings.TrimRight, "TrimPrefix": strings.TrimPrefix,
	"TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace, "trim": strings.TrimSpace,
	"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
	"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
	"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	"trunc":      trunc, "substr": substr,
	"contains":  func(sub, s string) bool { return strings.Contains(s, sub) },
	"hasPrefix": func(prefix, s string) bool { return strings.HasPrefix(s, prefix) },
	"hasSuffix": func(suffix, s string) bool { return strings.HasSuffix(s, suffix) },
	"eqFold":    strings.EqualFold,
	"indent":    indent, "nindent": func(n int, s string) (string, error) { return indent(n, "\n"+s) },
	"repeat":    func(n int, s string) (string, error) { return repeat(s, n) },
	"alignLeft": func(n int, s string) (string, error) { return align(n, s, true) },
	"alignRight": func(n int, s string) (string, error) {
		return align(n, s, false)
	},
	"regexReplaceAll":        func(re, s, by string) (string, error) { return regexReplace(re, s, by, false) },
	"regexReplaceAllLiteral": func(re, s, by string) (string, error) { return regexReplace(re, s, by, true) },
	"count":                  countMatches,
	"urlencode":              func(s string) (string, error) { return within(url.QueryEscape(s)) },
	"urldecode":              url.QueryUnescape,
	"b64enc":                 func(s string) (string, error) { return within(base64.StdEncoding.EncodeToString([]byte(s))) },
	"b64dec":                 b64dec,
	"bytes":                  sizeBytes, "duration": durationSeconds, "duration_seconds": durationSeconds,
	"fromJson": fromJSON,
	"default":  func(otherwise any, v any) any { return either(v, otherwise) },

	"int": func(v any) int64 { return int64(number(v)) }, "float64": number,
	"add": intFold(func(a, b int64) int64 { return a + b }), "mul": intFold(func(a, b int64) int64 { return a * b }),
	"max": intFold(func(a, b int64) int64 { return max(a, b) }), "min": intFold(func(a, b int64) int64 { return min(a, b) }),
	"sub": func(a, b any) int64 { return whole(a) - whole(b) },
	"div": func(a, b any) (int64, error) {
		return divide(whole(a), whole(b), func(a, b int64) int64 { return a / b })
	},
	"mod": func(a, b any) (int64, error) {
		return divide(whole(a), whole(b), func(a, b int64) int64 { return a % b })
	},
	"addf": floatFold(func(a, b float64) float64 { return a + b }), "mulf": floatFold(func(a, b float64) float64 { return a * b }),
	"subf": floatFold(func(a, b float64) float64 { return a - b }), "divf": floatFold(func(a, b float64) float64 { return a / b }),
	"maxf": floatFold(math.Max), "minf": floatFold(math.Min),
	"ceil": func(v any) float64 { return math.Ceil(number(v)) }, "floor": func(v any) float64 { return math.Floor(number(v)) },
	"round": round,

	"now": time.Now, "date": func(layout string, t time.Time) string { return t.Format(layout) },
	"toDate": time.Parse, "toDateInZone": toDateInZone, "unixToTime": unixToTime,
	"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
	"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },

	"print":    func(args ...any) (string, error) { return printed(args, fmt.Sprint) },
	"println":  func(args ...any) (string, error) { return printed(args, fmt.Sprintln) },
	"printf":   printf,
	"html":     func(args ...any) (string, error) { return escaped(args, html.EscapeString) },
	"urlquery": func(args ...any) (string, error) { return escaped(args, url.QueryEscape) },
	"js":       func(args ...any) (string, error) { return escaped(args, template.JSEscapeString) },
}

func timeOf(r *row) time.Time { return time.Unix(0, int64(r.log.At())).UTC() }

// within refuses text that is too long.
func within(s string) (string, error) {
	if len(s) > maxTemplateOutput {
		return "", errOutput
	}
	return s, nil
}

func title(s string) string {
	prev := ' '
	return strings.Map(func(r rune) rune {
		first := prev == ' ' || prev == '\t' || prev == '\n'
		prev = r
		if first {
			return []rune(strings.ToTitle(string(r)))[0]
		}
		return r
	}, s)
}

func replaceN(s, old, new string, n int) (string, error) {
	times := strings.Count(s, old)
	if n >= 0 {
		times = min(times, n)
	}
	if len(s)+times*len(new) > maxTemplateOutput+times*len(old) {
		return "", errOutput
	}
	return strings.Replace(s, old, new, n), nil
}

func repeat(s string, n int) (string, error) {
	if n < 0 || len(s) > 0 && n > maxTemplateOutput/len(s) {
		return "", errOutput
	}
	return strings.Repeat(s, n), nil
}

func indent(n int, s string) (string, error) {
	pad, err := repeat(" ", n)
	if err != nil {
		return "", err
	}
	s, err = replaceN(s, "\n", "\n"+pad, -1)
	if err != nil {
		return "", err
	}
	return within(pad + s)
}

// align makes s exactly n characters long: alignLeft cuts and fills at the right,
// alignRight at the left.
func align(n int, s string, left bool) (string, error) {
	if n < 0 {
		return s, nil
	}
	if extra := utf8.RuneCountInString(s) - n; extra >= 0 {
		runes := []rune(s)
		if left {
			return string(runes[:n]), nil
		}
		return string(runes[extra:]), nil
	}
	pad, err := repeat(" ", n-utf8.RuneCountInString(s))
	if err != nil {
		return "", err
	}
	if left {
		return within(s + pad)
	}
	return within(pad + s)
}

// trunc keeps the first n bytes, or the last when n is negative.
func trunc(n int, s string) string {
	switch {
	case n < 0 && len(s)+n > 0:
		return s[len(s)+n:]
	case n >= 0 && len(s) > n:
		return s[:n]
	}
	return s
}

// substr is s[start:end]; an end below 0 or behind s is that of s.
func substr(start, end int, s string) string {
	start = min(max(start, 0), len(s))
	if end < 0 || end > len(s) {
		end = len(s)
	}
	return s[start:max(start, end)]
}

// regexReplace is Regexp.ReplaceAllString with a bound on what comes out.
func regexReplace(expr, s, by string, literal bool) (string, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return "", err
	}
	var out []byte
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, maxTemplateOutput) {
		out = append(out, s[last:m[0]]...)
		if literal {
			out = append(out, by...)
		} else {
			out = re.ExpandString(out, by, s, m)
		}
		if last = m[1]; len(out) > maxTemplateOutput {
			return "", errOutput
		}
	}
	return within(string(append(out, s[last:]...)))
}

func countMatches(expr, s string) (int, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return 0, err
	}
	return len(re.FindAllStringIndex(s, -1)), nil
}

func b64dec(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err
}

func fromJSON(s string) (any, error) {
	var v any
	err := json.Unmarshal([]byte(s), &v)
	return v, err
}

// either is v, or otherwise when v is empty.
func either(v, otherwise any) any {
	if truth, ok := template.IsTrue(v); ok && truth {
		return v
	}
	return otherwise
}

// number makes a number of text and numbers; 0 of anything else.
func number(v any) float64 {
	switch v := v.(type) {
	case string:
		f, _ := strconv.ParseFloat(v, 64) // 0, as templates have it
		return f
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func whole(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	}
	return int64(number(v))
}

func intFold(f func(a, b int64) int64) func(first any, more ...any) int64 {
	return func(first any, more ...any) int64 {
		total := whole(first)
		for _, v := range more {
			total = f(total, whole(v))
		}
		return total
	}
}

func floatFold(f func(a, b float64) float64) func(first any, more ...any) float64 {
	return func(first any, more ...any) float64 {
		total := number(first)
		for _, v := range more {
			total = f(total, number(v))
		}
		return total
	}
}

func divide(a, b int64, f func(a, b int64) int64) (int64, error) {
	if b == 0 {
		return 0, fmt.Errorf("%d is divided by 0", a)
	}
	return f(a, b), nil
}

// round rounds to a number of digits behind the point.
func round(v any, digits int) float64 {
	scale := math.Pow(10, float64(digits))
	return math.Round(number(v)*scale) / scale
}

func toDateInZone(layout, zone, s string) (time.Time, error) {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	return time.ParseInLocation(layout, s, at)
}

// unixToTime reads days, seconds, milliseconds, microseconds or nanoseconds since
// 1970, by the number of digits.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	switch len(s) {
	case 5:
		return time.Unix(n*86400, 0), nil
	case 10:
		return time.Unix(n, 0), nil
	case 13:
		return time.UnixMilli(n), nil
	case 16:
		return time.UnixMicro(n), nil
	case 19:
		return time.Unix(0, n), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: it has %d digits, not 5, 10, 13, 16 or 19", s, len(s))
}

func printed(args []any, print func(...any) string) (string, error) {
	if err := argsWithin(args); err != nil {
		return "", err
	}
	return within(print(args...))
}

// argsWithin bounds what goes into a text before it is made.
func argsWithin(args []any) error {
	total := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			total += len(s)
		}
	}
	if total > maxTemplateOutput {
		return errOutput
	}
	return nil
}

func escaped(args []any, escape func(string) string) (string, error) {
	s, err := printed(args, fmt.Sprint)
	if err != nil {
		return "", err
	}
	return within(escape(s))
}

// widths finds widths and precisions, which alone make text of any length.
var widths = regexp.MustCompile(`%[-+# 0]*(\*|\d{4,}|\d*\.\*|\d*\.\d{4,}|\[)`)

func printf(format string, args ...any) (string, error) {
	if widths.MatchString(format) {
		return "", fmt.Errorf("printf has no width of more than 999, no * and no [n]")
	}
	if strings.Count(format, "%") > 1000 {
		return "", errOutput
	}
	return printed(append([]any{}, args...), func(a ...any) string { return fmt.Sprintf(format, a...) })
}
