package resourcedetection

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// user is the processor in one pipeline.
type user struct {
	factory   *factory
	detection *detection
	released  sync.Once
}

func (u *user) start(_ context.Context, host component.Host) error {
	u.detection.start(host)
	return nil
}

// shutdown ends the detection with its last user.
func (u *user) shutdown(context.Context) error {
	u.released.Do(func() {
		if u.factory.release(u.detection) {
			u.detection.stop()
		}
	})
	return nil
}

func (u *user) traces(ctx context.Context, td ptrace.Traces) (ptrace.Traces, error) {
	found, err := u.detection.wait(ctx)
	if err != nil {
		return td, err
	}
	for _, r := range td.ResourceSpans().All() {
		u.detection.write(found, r.Resource(), r)
	}
	return td, nil
}

func (u *user) metrics(ctx context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
	found, err := u.detection.wait(ctx)
	if err != nil {
		return md, err
	}
	for _, r := range md.ResourceMetrics().All() {
		u.detection.write(found, r.Resource(), r)
	}
	return md, nil
}

func (u *user) logs(ctx context.Context, ld plog.Logs) (plog.Logs, error) {
	found, err := u.detection.wait(ctx)
	if err != nil {
		return ld, err
	}
	for _, r := range ld.ResourceLogs().All() {
		u.detection.write(found, r.Resource(), r)
	}
	return ld, nil
}

func (u *user) profiles(ctx context.Context, pd pprofile.Profiles) (pprofile.Profiles, error) {
	found, err := u.detection.wait(ctx)
	if err != nil {
		return pd, err
	}
	for _, r := range pd.ResourceProfiles().All() {
		u.detection.write(found, r.Resource(), r)
	}
	return pd, nil
}

// schemaHolder is what the resources of all signals say about their schema.
type schemaHolder interface {
	SchemaUrl() string
	SetSchemaUrl(string)
}

// write adds what was found to one resource.
func (d *detection) write(found *snapshot, to pcommon.Resource, schema schemaHolder) {
	if found.attributes.Len() == 0 {
		return
	}
	if schema.SchemaUrl() == "" {
		schema.SetSchemaUrl(found.schemaURL)
	}
	merge(to.Attributes(), found.attributes, d.config.Override)
}

// merge adds from to to. Attributes that to has already are replaced only with
// override.
func merge(to, from pcommon.Map, override bool) {
	if to.Len() == 0 {
		from.CopyTo(to)
		return
	}
	for key, value := range from.All() {
		target, exists := to.GetOrPutEmpty(key)
		if override || !exists {
			value.CopyTo(target)
		}
	}
}
