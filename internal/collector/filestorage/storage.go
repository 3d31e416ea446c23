// Package filestorage is the collector component `file_storage`: contrib's, which
// keeps the persistent queues of exporters and the positions of receivers, made
// safe to start.
//
// A damaged file would end the process while it starts, from a goroutine of the
// database's, and again after each restart. So every file is checked before
// anything opens it, and one that is damaged is set aside under another name,
// counted and told: its component starts with an empty one.
//
// Invariants: a file in use by another process is left alone; nothing is ever
// deleted; writes are synced to disk unless the configuration says otherwise.
package filestorage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// NewFactory makes the factory of component `file_storage`.
func NewFactory() extension.Factory {
	f := contrib.NewFactory()
	return extension.NewFactory(f.Type(),
		func() component.Config {
			c := f.CreateDefaultConfig().(*contrib.Config)
			c.FSync = true
			return c
		},
		func(ctx context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
			ext, err := f.Create(ctx, set, cfg)
			if err != nil {
				return nil, err
			}
			inner, ok := ext.(storage.Extension)
			if !ok {
				return nil, fmt.Errorf("%T keeps nothing", ext)
			}
			damaged, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/filestorage").Int64Counter(
				"signalbox_storage_quarantined_files_total",
				metric.WithDescription("Files of persistent queues and positions that were damaged and set aside."),
				metric.WithUnit("{files}"))
			if err != nil {
				return nil, err
			}
			damaged.Add(ctx, 0)
			return &checked{inner, cfg.(*contrib.Config).Directory, damaged, set.Logger}, nil
		}, f.Stability())
}

// checked is the extension.
type checked struct {
	storage.Extension
	dir     string
	damaged metric.Int64Counter
	logger  *zap.Logger
}

// Start checks what earlier processes have left. It comes before the components
// that open the files.
func (c *checked) Start(ctx context.Context, host component.Host) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing the files of storage: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !ours.MatchString(e.Name()) {
			continue
		}
		if err := c.check(ctx, filepath.Join(c.dir, e.Name())); err != nil {
			return err
		}
	}
	return c.Extension.Start(ctx, host)
}

// ours are the names that contrib's component gives to its files: what it belongs
// to, with letters that are not safe as ~ and hex digits; or a hash of that where
// it is too long. What was set aside has a second ending and is not meant.
var ours = regexp.MustCompile(`^((receiver|processor|exporter|extension|connector|other)_[A-Za-z0-9._~-]*|[0-9a-f]{64})$`)

// aside is what the names of damaged files end with, before the time.
const aside = ".damaged-"

var setAside = regexp.MustCompile(regexp.QuoteMeta(aside) + `\d{8}T\d{6}\.\d{3}Z$|\.backup$`)

// check sets a file aside when it is damaged.
func (c *checked) check(ctx context.Context, path string) error {
	if setAside.MatchString(path) {
		return nil
	}
	damage, err := verify(path)
	if err != nil {
		return fmt.Errorf("checking %s: %w", path, err)
	}
	if damage == nil {
		return nil
	}
	kept := path + aside + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, kept); err != nil {
		return fmt.Errorf("setting aside %s, which is damaged (%w): %w", path, damage, err)
	}
	c.damaged.Add(ctx, 1)
	c.logger.Error("stored file is damaged; it was set aside, and its component starts without it", zap.Error(damage),
		zap.String("file", filepath.Base(path)), zap.String("kept_as", filepath.Base(kept)))
	return nil
}
