package logql

import (
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// levels are the words of detected_level, by query.SeverityLevel.
var levels = [query.SeverityLevels]string{"unknown", "trace", "debug", "info", "warn", "error", "fatal"}

// LevelOf finds the severity number that a word like "WARNING" means; 0 when it
// means none.
func LevelOf(word string) int32 {
	switch strings.ToLower(word) {
	case "trace", "trc":
		return 1
	case "debug", "dbg":
		return 5
	case "info", "inf", "information", "informational", "notice":
		return 9
	case "warn", "warning", "wrn":
		return 13
	case "error", "err", "eror":
		return 17
	case "fatal", "critical", "crit", "emerg", "emergency", "alert", "panic":
		return 21
	}
	return 0
}

// levelKeys are the attributes that say how severe a record is, when it has no
// severity.
var levelKeys = []string{"detected_level", "level", "severity", "severity_text", "log.level", "lvl"}

// detectedLevel is the word for a record's severity: by its number, its text or
// an attribute; "unknown" when nothing says it.
func detectedLevel(l *store.Log) string {
	n := l.SeverityNumber
	if n < 1 || n > 24 {
		n = LevelOf(l.SeverityText)
	}
	for i := 0; n == 0 && i < len(levelKeys); i++ {
		if v, ok := store.Find(l.Attrs, levelKeys[i]); ok && v.Type == store.String {
			n = LevelOf(v.Str())
		}
	}
	return levels[query.SeverityLevel(n)]
}

// levelBytes is how much of a line is looked at for a word that says how severe
// it is.
const levelBytes = 256

// SeverityOf finds the OTLP severity number of a line from elsewhere: what a
// label or metadata says, a field of a line in JSON or logfmt, or else the first
// word of the line that names a level; 0 when nothing does.
func SeverityOf(line string, labels ...Label) int32 {
	for _, key := range levelKeys {
		for _, l := range labels {
			if l.Name == key || l.Name == sanitize(key, true) {
				if n := LevelOf(l.Value); n != 0 {
					return n
				}
			}
		}
	}
	n := int32(0)
	field := func(key, value string) {
		if n == 0 && isLevelKey(key) {
			n = LevelOf(value)
		}
	}
	w := jsonWalker{s: line}
	w.space()
	if w.byte() == '{' {
		// What breaks off has said what it says.
		_ = w.paths(nil, func(path []string, value string) {
			if len(path) == 1 {
				field(path[0], value)
			}
		})
		return n
	}
	line = line[:min(len(line), levelBytes)]
	_ = walkLogfmt(line, false, field) // not strict: no error
	if n != 0 {
		return n
	}
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if n := LevelOf(word); n != 0 && slices.Contains(levelWords, strings.ToLower(word)) {
			return n
		}
	}
	return 0
}

// levelWords are the words that mean a level anywhere in a line.
var levelWords = []string{"debug", "info", "warn", "warning", "err", "error", "fatal", "critical", "panic"}

func isLevelKey(key string) bool {
	for _, k := range levelKeys {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}
