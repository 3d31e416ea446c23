package standby

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/collector/extension/extensiontest"
)

// readyExtension is one that is told of the pipelines.
type readyExtension struct{ *fakeExporter }

func (e readyExtension) Ready() error    { return e.take("ready") }
func (e readyExtension) NotReady() error { return e.take("not ready") }

// serverExtension is one that lets everybody in.
type serverExtension struct{ *fakeExporter }

func (e serverExtension) Authenticate(ctx context.Context, _ map[string][]string) (context.Context, error) {
	return ctx, e.take("authenticate")
}

// newExtension makes an extension that stands by.
func newExtension(t *testing.T, of func(*fakeExporter) extension.Extension) (*fake, extension.Extension) {
	t.Helper()
	f := new(fake)
	factories := map[component.Type]extension.Factory{fakeType: extension.NewFactory(fakeType,
		func() component.Config { return &struct{ string }{} },
		func(context.Context, extension.Settings, component.Config) (extension.Extension, error) {
			return of(&fakeExporter{fake: f}), nil
		}, component.StabilityLevelStable)}
	WatchExtensions(factories, fakeType, component.MustNewType("absent"))
	e, err := factories[fakeType].Create(t.Context(), extensiontest.NewNopSettings(fakeType), factories[fakeType].CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return f, e
}

// An extension that starts late is told what it missed.
func TestExtensionStartsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newExtension(t, func(e *fakeExporter) extension.Extension { return readyExtension{e} })
		f.set(errors.New("address already in use"))
		h := &host{Host: componenttest.NewNopHost()}
		if err := e.Start(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		pipelines := e.(extensioncapabilities.PipelineWatcher)
		if err := pipelines.Ready(); err != nil {
			t.Error(err)
		}
		after(10 * time.Second)
		f.set(nil)
		after(time.Minute)
		if err := errors.Join(pipelines.NotReady(), e.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]string{"ready", "not ready"}, f.got); d != "" {
			t.Error("told: want, got:", d)
		}
		want := []string{"StatusRecoverableError: address already in use; stop the program that listens there, or choose another endpoint", "StatusOK"}
		if d := cmp.Diff(want, h.statuses); d != "" {
			t.Error("statuses: want, got:", d)
		}
		if f.running != 0 {
			t.Error("it still runs")
		}
	})
}

// Nobody is let in by an extension that has not started.
func TestExtensionRefusesUntilItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newExtension(t, func(e *fakeExporter) extension.Extension { return serverExtension{e} })
		f.set(errors.New("the identity provider is away"))
		if err := e.Start(t.Context(), componenttest.NewNopHost()); err != nil {
			t.Fatal(err)
		}
		server := e.(extensionauth.Server)
		if _, err := server.Authenticate(t.Context(), nil); err == nil || err.Error() != "the extension that checks who sends has not started" {
			t.Errorf("got error %v", err)
		}
		f.set(nil)
		after(2 * time.Second)
		if _, err := server.Authenticate(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An extension that was only created is gone with its Shutdown.
func TestExtensionNeverStarted(t *testing.T) {
	f, e := newExtension(t, func(e *fakeExporter) extension.Extension { return e })
	if err := e.Shutdown(t.Context()); err != nil || f.starts != 0 {
		t.Errorf("%v, %d starts", err, f.starts)
	}
}
