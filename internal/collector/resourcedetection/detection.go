package resourcedetection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.uber.org/zap"
)

// detectors are those of this build, by name.
var detectors = map[string]func(*Config) detectFunc{
	"env":     func(*Config) detectFunc { return detectEnv },
	"system":  func(c *Config) detectFunc { return c.System.detect },
	"docker":  func(c *Config) detectFunc { return dockerDetector{c}.detect },
	"gcp":     func(c *Config) detectFunc { return newGCPDetector(c).detect },
	"k8s_api": func(c *Config) detectFunc { return c.K8sAPI.detect },
	"k8snode": func(c *Config) detectFunc { return c.K8sNode.detect },
	"kubeadm": func(c *Config) detectFunc { return c.Kubeadm.detect },
}

// detectFunc puts what it finds into to. With an error it may have found a
// part. It should end when ctx does; nobody waits for it longer.
type detectFunc func(ctx context.Context, to found) error

// found takes the attributes that are enabled.
type found struct {
	enabled    Attributes // nil for all
	attributes pcommon.Map
	log        *zap.Logger
}

// wants reports whether the attribute is enabled.
func (f found) wants(name string) bool { return f.enabled == nil || f.enabled[name].Enabled }

// put adds an attribute, unless it is empty or not enabled.
func (f found) put(name, value string) {
	if value != "" && f.wants(name) {
		f.attributes.PutStr(name, value)
	}
}

// putList adds an attribute that is a list.
func (f found) putList(name string, values []string) {
	if len(values) == 0 || !f.wants(name) {
		return
	}
	list := f.attributes.PutEmptySlice(name)
	for _, v := range values {
		list.AppendEmpty().SetStr(v)
	}
}

// snapshot is what is known at one time. It is not changed any more.
type snapshot struct {
	attributes pcommon.Map
	schemaURL  string
	err        error // what could not be detected
}

// detection detects for all pipelines of one configuration.
type detection struct {
	config    *Config
	log       *zap.Logger
	outcomes  metric.Int64Counter
	detectors []*running
	users     int // guarded by the factory

	current atomic.Pointer[snapshot]
	first   chan struct{} // closed when data need not wait any more
	open    sync.Once     // closes first

	mu     sync.Mutex
	hosts  []component.Host
	failed string             // the problem that was logged last
	cancel context.CancelFunc // nil before the start
	done   chan struct{}
}

// running is one detector and what it said last.
type running struct {
	name    string
	detect  detectFunc
	enabled Attributes
	attempt chan answer // of a call that goes on, nil when none does; has room for its answer
	last    answer
}

// answer is the result of one call of a detector.
type answer struct {
	attributes pcommon.Map
	err        error
}

func newDetection(set processor.Settings, config *Config) (*detection, error) {
	outcomes, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/resourcedetection").Int64Counter(
		"signalbox_resource_detections_total",
		metric.WithDescription("Answers of the detectors of resource attributes, by detector and outcome."),
		metric.WithUnit("{detections}"))
	if err != nil {
		return nil, err
	}
	d := &detection{
		config: config, log: set.Logger, outcomes: outcomes,
		first: make(chan struct{}), done: make(chan struct{}),
	}
	d.current.Store(&snapshot{attributes: pcommon.NewMap(), err: errNotYet})
	for _, name := range config.Detectors {
		if now, former := aliases[name]; former {
			name = now
		}
		same := func(r *running) bool { return r.name == name }
		if detector, ok := detectors[name]; ok && !slices.ContainsFunc(d.detectors, same) {
			d.detectors = append(d.detectors, &running{
				name: name, detect: detector(config), enabled: config.enabled(name),
				last: answer{pcommon.NewMap(), errNotYet},
			})
		}
	}
	return d, nil
}

// enabled are the attributes that the detector may write, nil for all.
func (c *Config) enabled(detector string) Attributes {
	return map[string]Attributes{
		"system":  c.System.ResourceAttributes,
		"docker":  c.Docker.ResourceAttributes,
		"gcp":     c.GCP.ResourceAttributes,
		"k8s_api": c.K8sAPI.ResourceAttributes,
		"k8snode": c.K8sNode.ResourceAttributes,
		"kubeadm": c.Kubeadm.ResourceAttributes,
	}[detector]
}

// errNotYet is the state before the first answer.
var errNotYet = errors.New("no answer yet")

// start begins to detect with the first user, and returns at once.
func (d *detection) start(host component.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts = append(d.hosts, host)
	if d.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	go d.run(ctx)
}

// stop ends the detection. A call of a detector that hangs is left behind.
func (d *detection) stop() {
	d.mu.Lock()
	cancel := d.cancel
	d.mu.Unlock()
	if cancel != nil {
		cancel()
		<-d.done
	}
}

// Between two attempts to detect what could not be detected.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// run detects until everything is known, and again at each refresh.
func (d *detection) run(ctx context.Context) {
	defer close(d.done)
	defer d.enough()
	timer := time.AfterFunc(d.config.ClientConfig.Timeout, d.enough)
	defer timer.Stop()
	for retry := firstRetry; ; {
		err := d.round(ctx)
		if ctx.Err() != nil {
			return
		}
		d.report(err)
		pause := d.config.RefreshInterval
		if err == nil {
			d.enough()
			retry = firstRetry
			if pause == 0 {
				return
			}
		} else {
			pause = retry
			retry = min(2*retry, lastRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// enough lets data pass that waits for the first detection.
func (d *detection) enough() { d.open.Do(func() { close(d.first) }) }

// round asks every detector once, all at the same time, and takes what they
// answer within the timeout. One that still has not answered the time before is
// not asked anew, but listened to.
func (d *detection) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.config.ClientConfig.Timeout)
	defer cancel()
	for _, r := range d.detectors {
		select {
		case late := <-r.attempt: // for its own round; for this one it counts
			if late.err == nil {
				r.attempt <- late
			} else {
				r.attempt = nil
			}
		default:
		}
		if r.attempt == nil {
			attempt := make(chan answer, 1)
			r.attempt = attempt
			go func() {
				to := found{enabled: r.enabled, attributes: pcommon.NewMap(), log: d.log}
				err := r.detect(ctx, to)
				attempt <- answer{to.attributes, err}
			}()
		}
	}
	for _, r := range d.detectors {
		select {
		case a := <-r.attempt:
			r.attempt = nil
			r.take(a)
		case <-ctx.Done():
			r.take(answer{pcommon.NewMap(), fmt.Errorf("no answer within %v", d.config.ClientConfig.Timeout)})
		}
		outcome := "success"
		if r.last.err != nil {
			outcome = "failure"
		}
		d.outcomes.Add(ctx, 1, metric.WithAttributes(attribute.String("detector", r.name), attribute.String("outcome", outcome)))
	}
	return d.publish()
}

// take keeps an answer. One that failed does not undo what was known before.
func (r *running) take(a answer) {
	if a.err != nil {
		merge(a.attributes, r.last.attributes, false)
	}
	r.last = a
}

// publish makes the answers of all detectors the current snapshot.
func (d *detection) publish() error {
	now := &snapshot{attributes: pcommon.NewMap()}
	var errs []error
	for _, r := range d.detectors {
		if r.last.err != nil {
			errs = append(errs, fmt.Errorf("detector %s: %w", r.name, r.last.err))
		}
		if r.name != "env" && r.last.attributes.Len() > 0 {
			now.schemaURL = semconv.SchemaURL
		}
		merge(now.attributes, r.last.attributes, false)
	}
	if only := d.config.Attributes; len(only) > 0 {
		now.attributes.RemoveIf(func(key string, _ pcommon.Value) bool { return !slices.Contains(only, key) })
	}
	now.err = errors.Join(errs...)
	d.current.Store(now)
	return now.err
}

// report logs what became known or fails, once per change, and tells the hosts.
func (d *detection) report(err error) {
	problem := ""
	event := componentstatus.NewEvent(componentstatus.StatusOK)
	if err != nil {
		problem = strings.ReplaceAll(err.Error(), "\n", "; ")
		event = componentstatus.NewRecoverableErrorEvent(errors.New("detecting resource attributes: " + problem))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.current.Load().attributes.AsRaw()
	switch {
	case err == nil:
		d.log.Info("detected resource attributes", zap.Any("attributes", known))
	case problem != d.failed:
		d.log.Warn("some resource attributes are not detected; trying again", zap.String("error", problem), zap.Any("attributes", known))
	}
	d.failed = problem
	for _, host := range d.hosts {
		componentstatus.ReportStatus(host, event)
	}
}

// wait returns what is known, after the first detection or its timeout. It is
// an error that nothing passes with fail_on_missing_metadata until all is known.
func (d *detection) wait(ctx context.Context) (*snapshot, error) {
	select {
	case <-d.first:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := d.current.Load()
	if now.err != nil && d.config.FailOnMissingMetadata {
		return nil, fmt.Errorf("waiting for resource attributes (fail_on_missing_metadata): %w", now.err)
	}
	return now, nil
}
