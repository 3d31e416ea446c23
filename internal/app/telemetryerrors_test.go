package app

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
)

func TestUndeliveredTelemetryIsOneLineInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		logUndelivered(slog.New(slog.NewTextHandler(&b, nil)))
		for range 61 {
			otel.Handle(errors.New("connection refused"))
			time.Sleep(time.Second)
		}
		var counts []string
		for line := range strings.Lines(b.String()) {
			_, count, _ := strings.Cut(strings.TrimSpace(line), "batches=")
			counts = append(counts, count)
		}
		if got, want := strings.Join(counts, " "), "1 30 30"; got != want {
			t.Errorf("got counts %s; want %s in\n%s", got, want, b.String())
		}
	})
}
