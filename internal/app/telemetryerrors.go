package app

import (
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
)

// undeliveredInterval is how often undelivered telemetry is worth a line.
const undeliveredInterval = 30 * time.Second

// logUndelivered has the OpenTelemetry SDK's errors logged, which come several
// times a second when nobody listens: the first, then one in a while with the
// number of those between.
func logUndelivered(log *slog.Logger) {
	var mu sync.Mutex
	var last time.Time
	since := 0
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		since++
		if now := time.Now(); now.Sub(last) >= undeliveredInterval {
			log.Warn("telemetry was not delivered", "error", err, "batches", since)
			last, since = now, 0
		}
	}))
}
