package archive

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// FuzzRead reads files that may be anything: records or an error.
func FuzzRead(f *testing.F) {
	b, err := ingest.Traces(ingest.ToTraces(newRandom(1).spans(2)))
	if err != nil {
		f.Fatal(err)
	}
	line, err := logLine(newRandom(2).logs(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Payload)
	f.Add(append([]byte{0, 0, byte(len(b.Payload) >> 8), byte(len(b.Payload))}, b.Payload...))
	f.Add(line)
	f.Add([]byte("PAR1\x15\x04\x15PAR1"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 4, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for b, err := range Read(context.Background(), file, ReadOptions{}) {
			if err == nil && (b.Len() == 0 || b.Kind != store.Spans && b.Kind != store.Logs) {
				t.Errorf("got a batch of kind %d with %d records", b.Kind, b.Len())
			}
		}
	})
}
