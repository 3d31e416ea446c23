package queryextension

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/shirou/gopsutil/v4/disk"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Config is what users write under extensions: query.
type Config struct {
	// HTTP is where the query APIs are served, over HTTP and gRPC on one port:
	// endpoint, tls, auth, cors, as receivers have them.
	HTTP confighttp.ServerConfig `mapstructure:",squash"`
	// Directory is where the data is kept. It is made when it is not there, and
	// only one process may have it.
	Directory string `mapstructure:"directory"`
	// Retention bounds what is kept.
	Retention Retention `mapstructure:"retention"`
	// Sync says when a sender is answered: "group" (after fsync, the default)
	// or "interval" (after write; a power cut may take the last 100 ms).
	Sync store.SyncMode `mapstructure:"sync"`
}

// Retention bounds what is kept by age and size, whichever is reached first.
type Retention struct {
	// MaxAge is how long records and samples are kept.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxSize bounds the data directory: "20GiB", or "10%" of the disk. Three
	// quarters are for traces and logs, a quarter for metrics.
	MaxSize string `mapstructure:"max_size"`
}

// NewDefaultConfig returns the defaults. Directory has none.
func NewDefaultConfig() *Config {
	http := confighttp.NewDefaultServerConfig()
	http.NetAddr.Endpoint = "localhost:4316"
	http.WriteTimeout = 0 // the server bounds each request itself; live tails have no end
	return &Config{HTTP: http, Retention: Retention{MaxAge: 7 * 24 * time.Hour, MaxSize: "10%"}}
}

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	if c.Directory == "" {
		errs = append(errs, errors.New("directory is missing: name the folder that keeps the data"))
	}
	if c.HTTP.NetAddr.Endpoint == "" {
		errs = append(errs, errors.New("endpoint is missing, as localhost:4316"))
	}
	return errors.Join(errs...)
}

// Validate says what is wrong with the bounds.
func (r *Retention) Validate() error {
	var errs []error
	if r.MaxAge < time.Hour {
		errs = append(errs, fmt.Errorf("max_age is %s: it must be at least 1h", r.MaxAge))
	}
	if _, _, err := parseSize(r.MaxSize); err != nil {
		errs = append(errs, fmt.Errorf("max_size: %w", err))
	}
	return errors.Join(errs...)
}

// minBytes is the least that keeps a store working: a few blocks and its log.
const minBytes = 256 << 20

// parseSize reads "20GiB" as bytes, or "10%" as percent.
func parseSize(text string) (bytes int64, percent float64, err error) {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(percent) || percent <= 0 || percent > 90 {
			return 0, 0, fmt.Errorf("%q is not a share of the disk: write 1%% to 90%%", text)
		}
		return 0, percent, nil
	}
	bytes, err = units.RAMInBytes(text)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is not a size: write 20GiB, 500MiB or 10%%", text)
	}
	if bytes < minBytes {
		return 0, 0, fmt.Errorf("%q is too small: at least %s", text, units.BytesSize(minBytes))
	}
	return bytes, 0, nil
}

// maxBytes is MaxSize for the disk that holds dir.
func (r *Retention) maxBytes(dir string) (int64, error) {
	bytes, percent, err := parseSize(r.MaxSize)
	if err != nil || percent == 0 {
		return bytes, err
	}
	usage, err := disk.Usage(dir)
	if err != nil {
		return 0, fmt.Errorf("finding the size of the disk of %s (give max_size in GiB instead): %w", dir, err)
	}
	return max(int64(float64(usage.Total)*percent/100), minBytes), nil
}
