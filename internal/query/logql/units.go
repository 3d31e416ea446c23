package logql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// durationUnits are the units of durations, longest first, as they are written.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute},
	{"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"μs", time.Microsecond},
	{"ns", time.Nanosecond},
}

// parseDuration reads 5m, 1h30m, 1.5s, 2d. Only 0 needs no unit.
func parseDuration(s string) (time.Duration, bool) {
	rest, negative := strings.CutPrefix(s, "-")
	if rest == "0" {
		return 0, true
	}
	total := 0.0
	whole := int64(0)
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		value, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, false
		}
		digits := rest[:n]
		rest = rest[n:]
		n = strings.IndexAny(rest, "0123456789.")
		if n < 0 {
			n = len(rest)
		}
		unit, ok := unitOf(rest[:n])
		if !ok {
			return 0, false
		}
		rest = rest[n:]
		if total += value * float64(unit); math.Abs(total) >= math.MaxInt64 {
			return 0, false
		}
		// Whole numbers are added as such: float64 has no room for the
		// nanoseconds of years.
		if i, err := strconv.ParseInt(digits, 10, 64); err == nil {
			whole += i * int64(unit)
		} else {
			whole += int64(math.Round(value * float64(unit)))
		}
	}
	if s == "" || s == "-" || whole < 0 {
		return 0, false
	}
	if negative {
		whole = -whole
	}
	return time.Duration(whole), true
}

func unitOf(name string) (time.Duration, bool) {
	for _, u := range durationUnits {
		if u.name == name {
			return u.unit, true
		}
	}
	return 0, false
}

// formatDuration writes d so that parseDuration reads it back.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
	}
	rest := uint64(max(d, -d))
	if d == math.MinInt64 {
		rest = 1 << 63
	}
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}} {
		if n := rest / uint64(u.unit); n > 0 {
			b.WriteString(strconv.FormatUint(n, 10) + u.name)
			rest -= n * uint64(u.unit)
		}
	}
	return b.String()
}

// byteUnits are the units of sizes, in lower case.
var byteUnits = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12, "p": 1e15, "pb": 1e15, "e": 1e18, "eb": 1e18,
	"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30,
	"ti": 1 << 40, "tib": 1 << 40, "pi": 1 << 50, "pib": 1 << 50, "ei": 1 << 60, "eib": 1 << 60,
}

// parseBytes reads 10KB, 5 MiB, 1.5gb: a whole number of bytes.
func parseBytes(s string) (float64, bool) {
	n := len(s) - len(strings.TrimLeft(s, "0123456789.,"))
	value, err := strconv.ParseFloat(strings.ReplaceAll(s[:n], ",", ""), 64)
	unit, ok := byteUnits[strings.ToLower(strings.TrimSpace(s[n:]))]
	if err != nil || !ok || value*unit >= math.MaxUint64 {
		return 0, false
	}
	return math.Trunc(value * unit), true
}

// formatBytes writes a whole number of bytes so that parseBytes reads it back.
func formatBytes(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) + "B" }

// ParseDuration reads a duration as queries have it: 5m, 1h30m, 1.5s, 2d.
func ParseDuration(s string) (time.Duration, error) {
	d, ok := parseDuration(s)
	if !ok {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	return d, nil
}
