package standby

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// WatchExtensions lets extensions of these types, that factories make from now
// on, stand by when they do not start. The map is changed. It is for extensions
// that nothing else needs to start, and for those that check who sends: they
// refuse everybody until they have started.
func WatchExtensions(factories map[component.Type]extension.Factory, types ...component.Type) {
	for _, t := range types {
		if f, ok := factories[t]; ok {
			factories[t] = extensionFactory{f, newGroups()}
		}
	}
}

// extensionFactory makes extensions that stand by.
type extensionFactory struct {
	extension.Factory
	groups *groups
}

func (f extensionFactory) Create(ctx context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
	e, err := f.Factory.Create(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	missing, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/standby").Int64UpDownCounter(
		"signalbox_extension_not_started",
		metric.WithDescription("1 for each extension that could not start yet and is tried again."), metric.WithUnit("{extensions}"))
	if err != nil {
		return nil, err
	}
	s := &standIn{
		groups: f.groups, config: cfg, log: set.Logger, missing: missing,
		label:     metric.WithAttributes(attribute.String("extension", set.ID.String())),
		create:    func(ctx context.Context) (extension.Extension, error) { return f.Factory.Create(ctx, set, cfg) },
		extension: e, fresh: true,
	}
	switch e.(type) {
	case extensionauth.Server:
		return gatekeeper{s}, nil
	case extensioncapabilities.PipelineWatcher:
		return watcher{s}, nil
	}
	return s, nil
}

// standIn is an extension that may not have started.
type standIn struct {
	groups  *groups
	config  component.Config
	log     *zap.Logger
	missing metric.Int64UpDownCounter
	label   metric.MeasurementOption
	create  func(context.Context) (extension.Extension, error)

	// Of the goroutines that start and end, one at a time.
	group     *group
	host      component.Host
	extension extension.Extension
	fresh     bool // created and not yet started
	degraded  bool

	mu      sync.Mutex // guards what follows
	running extension.Extension
	ready   bool          // the pipelines are
	conf    *confmap.Conf // the last that it was to be told
}

// Start starts the extension, or has it stand by.
func (s *standIn) Start(ctx context.Context, host component.Host) error {
	s.host = host
	s.group = s.groups.join(s.config, nil)
	s.group.enter(ctx, s)
	return nil
}

// Shutdown ends the extension.
func (s *standIn) Shutdown(ctx context.Context) error {
	if s.group == nil {
		return s.extension.Shutdown(ctx)
	}
	err := s.group.exit(ctx, s)
	s.groups.leave(s.group)
	s.group = nil
	if s.degraded {
		s.missing.Add(ctx, -1, s.label)
	}
	return err
}

func (s *standIn) start(ctx context.Context) error {
	if !s.fresh {
		e, err := s.create(ctx)
		if err != nil {
			return err
		}
		s.extension = e
	}
	s.fresh = false
	return s.extension.Start(ctx, s.host)
}

func (s *standIn) end(ctx context.Context) error {
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	if s.extension == nil {
		return nil
	}
	err := s.extension.Shutdown(ctx)
	s.extension = nil
	return err
}

// open tells the extension what it missed.
func (s *standIn) open(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.extension
	var errs []error
	if w, ok := s.running.(extensioncapabilities.ConfigWatcher); ok && s.conf != nil {
		errs = append(errs, w.NotifyConfig(ctx, s.conf))
	}
	if w, ok := s.running.(extensioncapabilities.PipelineWatcher); ok && s.ready {
		errs = append(errs, w.Ready())
	}
	if err := errors.Join(errs...); err != nil {
		s.log.Error("telling an extension that started late of the pipelines", zap.Error(err))
	}
}

func (s *standIn) report(err error) {
	if err == nil {
		s.log.Info("extension has started")
		s.missing.Add(context.Background(), -1, s.label)
		s.degraded = false
		componentstatus.ReportStatus(s.host, componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
	s.log.Error("extension has not started; trying again", zap.Error(err))
	if !s.degraded {
		s.missing.Add(context.Background(), 1, s.label)
		s.degraded = true
	}
	componentstatus.ReportStatus(s.host, componentstatus.NewRecoverableErrorEvent(err))
}

// gatekeeper is an extension that checks who sends.
type gatekeeper struct{ *standIn }

// Authenticate refuses everybody until the extension has started.
func (g gatekeeper) Authenticate(ctx context.Context, sources map[string][]string) (context.Context, error) {
	g.mu.Lock()
	server, ok := g.running.(extensionauth.Server)
	g.mu.Unlock()
	if !ok {
		return ctx, errors.New("the extension that checks who sends has not started")
	}
	return server.Authenticate(ctx, sources)
}

// watcher is an extension that is told of the pipelines.
type watcher struct{ *standIn }

// Ready is called when the pipelines have started.
func (w watcher) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = true
	if to, ok := w.running.(extensioncapabilities.PipelineWatcher); ok {
		return to.Ready()
	}
	return nil
}

// NotReady is called before the pipelines end.
func (w watcher) NotReady() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = false
	if to, ok := w.running.(extensioncapabilities.PipelineWatcher); ok {
		return to.NotReady()
	}
	return nil
}

// NotifyConfig is called with the configuration that runs.
func (w watcher) NotifyConfig(ctx context.Context, conf *confmap.Conf) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conf = conf
	if to, ok := w.running.(extensioncapabilities.ConfigWatcher); ok {
		return to.NotifyConfig(ctx, conf)
	}
	return nil
}

// ComponentStatusChanged is called with the status of every component. An
// extension that starts later learns of the changes after that.
func (w watcher) ComponentStatusChanged(source *componentstatus.InstanceID, event *componentstatus.Event) {
	w.mu.Lock()
	to, ok := w.running.(componentstatus.Watcher)
	w.mu.Unlock()
	if ok {
		to.ComponentStatusChanged(source, event)
	}
}
