package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// inputs reads the parameters of a request to our own API. It keeps the first
// error, so that a handler reads all it knows and then calls check once.
type inputs struct {
	values url.Values
	now    time.Time
	known  []string
	err    error
}

func (s *Server) inputs(r *http.Request) *inputs {
	values, err := params(r)
	in := &inputs{values: values, now: s.deps.Now(), err: err}
	in.oneOf("explain", "false", "true") // read by Server.explaining
	return in
}

func (in *inputs) fail(name string, err error) {
	if in.err == nil {
		in.err = &paramError{name, err}
	}
}

// check returns what is wrong with the parameters, also one that nobody read:
// a mistyped name must not look like an answer.
func (in *inputs) check() error {
	for name := range in.values {
		if !slices.Contains(in.known, name) {
			slices.Sort(in.known)
			in.fail(name, fmt.Errorf("there is no such parameter; there are %s", strings.Join(in.known, ", ")))
		}
	}
	return in.err
}

// text is a parameter that may be given once.
func (in *inputs) text(name string) string {
	in.known = append(in.known, name)
	all := in.values[name]
	if len(all) > 1 {
		in.fail(name, errors.New("it is given more than once"))
	}
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// texts is a parameter that may be given several times.
func (in *inputs) texts(name string) []string {
	in.known = append(in.known, name)
	return in.values[name]
}

// oneOf is a word of a list, the first when it is not given.
func (in *inputs) oneOf(name string, words ...string) string {
	text := in.text(name)
	if text == "" {
		return words[0]
	}
	if !slices.Contains(words, text) {
		in.fail(name, fmt.Errorf("%q is none of %s", text, strings.Join(words, ", ")))
	}
	return text
}

// count is a positive number; 0 when it is not given.
func (in *inputs) count(name string) int {
	text := in.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		in.fail(name, fmt.Errorf("%q is not a positive number", text))
	}
	return n
}

// duration is a length of time; 0 when it is not given.
func (in *inputs) duration(name string) time.Duration {
	text := in.text(name)
	if text == "" {
		return 0
	}
	d, err := parseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	if err != nil {
		in.fail(name, err)
	}
	return d
}

// span is the time range of the parameters start and end: by default the last
// hour.
func (in *inputs) span() (start, end uint64) {
	from, to := in.instant("start", in.now.Add(-time.Hour)), in.instant("end", in.now)
	if in.err == nil && !from.Before(to) {
		in.fail("start", fmt.Errorf("%s is not before the end, %s", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano)))
	}
	return uint64(from.UnixNano()), uint64(to.UnixNano())
}

func (in *inputs) instant(name string, otherwise time.Time) time.Time {
	text := in.text(name)
	if text == "" {
		return otherwise
	}
	t, err := parseTime(text, in.now)
	if err != nil {
		in.fail(name, err)
		return otherwise
	}
	return t
}

// condition is the parameter q.
func (in *inputs) condition(kind store.Kind) store.Expr {
	e, err := query.Parse(kind, in.text("q"))
	if err != nil && in.err == nil {
		in.err = err
	}
	return e
}

// kind is the parameter kind, which says what a question is about.
func (in *inputs) kind() store.Kind {
	if in.oneOf("kind", store.Spans.String(), store.Logs.String()) == store.Logs.String() {
		return store.Logs
	}
	return store.Spans
}

// field is the name of a field; the error's position counts in it.
func (in *inputs) field(kind store.Kind, name, text string) store.Field {
	f, err := query.ParseField(kind, text)
	if err != nil {
		in.fail(name, err)
	}
	return f
}

// parseDuration is time.ParseDuration that knows days and weeks too.
func parseDuration(text string) (time.Duration, error) {
	rest, sign := text, time.Duration(1)
	if strings.HasPrefix(rest, "-") {
		rest, sign = rest[1:], -1
	}
	var total time.Duration
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 1h30m or 7d", text)
		}
		total += time.Duration(n) * unit.size
		rest = after
	}
	if rest != "" || total == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 1h30m or 7d", text)
		}
		if total += d; total < 0 {
			return 0, fmt.Errorf("%q is too long", text)
		}
	}
	return sign * total, nil
}

// ParseTime reads a time as the parameters of the API are read, for commands that
// take one too.
func ParseTime(text string, now time.Time) (time.Time, error) { return parseTime(text, now) }

// parseTime reads an instant: RFC 3339, Unix time in seconds (a fraction is
// allowed), milliseconds, microseconds or nanoseconds, told apart by size, or
// relative to now: now, now-1h, 1h (an hour ago).
func parseTime(text string, now time.Time) (time.Time, error) {
	t, err := parseInstant(text, now)
	if err == nil && (t.Year() < 1970 || t.UnixNano() < 0 || t.Year() > 2261) {
		err = fmt.Errorf("%q is not between the years 1970 and 2261", text)
	}
	return t, err
}

func parseInstant(text string, now time.Time) (time.Time, error) {
	// A plus sign that was not escaped arrives as a space.
	relative, isRelative := strings.CutPrefix(strings.ReplaceAll(text, " ", "+"), "now")
	if isRelative && relative == "" {
		return now, nil
	}
	if isRelative {
		d, err := parseDuration(strings.TrimPrefix(relative, "+"))
		if err != nil || relative[0] != '+' && relative[0] != '-' {
			return now, fmt.Errorf("%q is not a time such as now-1h", text)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(text, " ", "+")); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n < 1e11:
			return time.Unix(n, 0), nil
		case n < 1e14:
			return time.UnixMilli(n), nil
		case n < 1e17:
			return time.UnixMicro(n), nil
		}
		return time.Unix(0, n), nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 1e11 {
		whole, fraction := math.Modf(f)
		return time.Unix(int64(whole), int64(fraction*1e9)), nil
	}
	if d, err := parseDuration(strings.TrimPrefix(text, "-")); err == nil {
		return now.Add(-d), nil
	}
	return now, fmt.Errorf("%q is not a time: give RFC 3339, a Unix time, or now-1h", text)
}
