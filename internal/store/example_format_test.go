package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedBytes reads the block and the log that docs/format/example.md
// shows, and compares the page's list of pages with the block's.
func TestDocumentedBytes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format/example.md")
	if err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	for _, line := range regexp.MustCompile(`(?m)^([0-9a-f]{8})  ((?:[0-9a-f]{2} ? ?)+) *\|`).FindAllStringSubmatch(string(doc), -1) {
		if line[1] == "00000000" {
			files = append(files, nil)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(line[2], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		files[len(files)-1] = append(files[len(files)-1], b...)
	}
	if len(files) != 2 {
		t.Fatalf("got %d files in hex; want a block and a log", len(files))
	}
	b, err := openBlock(bytes.NewReader(files[0]), int64(len(files[0])), "example")
	if err != nil {
		t.Fatal(err)
	}
	check := &blockCheck{block: b, read: func(int64) {}, found: func(offset int64, problem string) { t.Errorf("at %d: %s", offset, problem) }}
	if err := check.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.footer.eachPage(func(p pageRef, m pageMeta) {
		row := regexp.MustCompile(fmt.Sprintf(` *%d +%d +%d  %08x +%d  %s\n`, m.offset, m.stored, m.raw, m.crc, m.count, regexp.QuoteMeta(b.footer.nameOf(p))))
		if m.stored > 0 && !row.Match(doc) {
			t.Errorf("the page does not list %s at %d", b.footer.nameOf(p), m.offset)
		}
	})
	spans, err := b.snapshot().spans([]uint32{0, 1}, NeedAll)
	if err != nil || spans[0].Name != "GET /cart" || spans[1].ParentID != spans[0].SpanID || spans[1].StatusMessage != "deadlock" {
		t.Errorf("got spans %+v, %v", spans, err)
	}
	h, err := decodeSegmentHeader("example", files[1])
	if err != nil || h.first != 7 {
		t.Errorf("got segment header %+v, %v", h, err)
	}
	scan := segmentScan{data: files[1], kind: Spans, last: 6, limit: math.MaxUint64, sealed: 6,
		corrupt: func(offset int, reason string) { t.Errorf("log at %d: %s", offset, reason) },
		take: func(r walRecord) string {
			if p, err := r.payload(); err != nil || string(p) != "\x0a\x00" || r.synced != 6 {
				t.Errorf("got record %+v with payload %x, %v", r, p, err)
			}
			return ""
		}}
	if last := scan.run(); last != 7 {
		t.Errorf("got last record %d; want 7", last)
	}
}

// TestReleasedFormatsVerify: what earlier releases wrote is not called damaged.
func TestReleasedFormatsVerify(t *testing.T) {
	files, err := filepath.Glob("testdata/*.block")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d blocks, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := openBlock(bytes.NewReader(data), int64(len(data)), file)
		if err != nil {
			t.Fatal(err)
		}
		check := &blockCheck{block: b, read: func(int64) {}, found: func(offset int64, problem string) {
			t.Errorf("%s at %d: %s", file, offset, problem)
		}}
		if err := check.run(context.Background()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
