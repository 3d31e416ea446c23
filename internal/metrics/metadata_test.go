package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestMetadataIsBounded(t *testing.T) {
	full := 0
	s, err := openMetadata(t.TempDir(), time.Now, func() { full++ })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		s.note("a", Metadata{Type: "gauge", Help: fmt.Sprint(i)})
	}
	want := []Metadata{{Type: "gauge", Help: "9"}, {Type: "gauge", Help: "8"}, {Type: "gauge", Help: "7"}, {Type: "gauge", Help: "6"}}
	if d := cmp.Diff(want, s.get("a")); d != "" {
		t.Errorf("variants of one metric, latest first (-want +got):\n%s", d)
	}
	s.note("long", Metadata{Type: "gauge", Help: strings.Repeat("é", maxMetadataHelpSize)})
	if help := s.get("long")[0].Help; len(help) > maxMetadataHelpSize || !utf8.ValidString(help) || !strings.HasSuffix(help, "é…") {
		t.Errorf("long help: got %d bytes ending in %q", len(help), help[len(help)-8:])
	}
	for i := range maxMetadataNames {
		s.note(fmt.Sprint("m", i), Metadata{Type: "gauge"})
	}
	if s.size() != maxMetadataNames || full != 2 {
		t.Errorf("got %d names, %d refused; want %d and 2", s.size(), full, maxMetadataNames)
	}
	s.note("nothing", Metadata{Type: "unknown"})
	if got := s.get("nothing"); got != nil && len(got) != 0 {
		t.Errorf("a metric of which nothing is known: got %v", got)
	}
}

// What was not seen for longer than samples are kept is forgotten; what is seen
// again and again is not.
func TestMetadataIsForgotten(t *testing.T) {
	dir, clock := t.TempDir(), now
	s, err := openMetadata(dir, func() time.Time { return clock }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	s.note("gone", Metadata{Type: "gauge"})
	for range 48 {
		s.note("alive", Metadata{Type: "counter"})
		clock = clock.Add(time.Hour)
	}
	if err := s.save(clock.Add(-24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	s, err = openMetadata(dir, time.Now, func() {})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]Metadata{}
	for name, mds := range s.all() {
		got[name] = mds
	}
	if d := cmp.Diff(map[string][]Metadata{"alive": {{Type: "counter"}}}, got); d != "" {
		t.Errorf("after a day (-want +got):\n%s", d)
	}
}
