// Package admission answers the API server's calls about resources of group
// opentelemetry.io before they are stored: it gives them defaults, refuses or
// warns about what would not work, and converts collectors between versions.
//
// The API server calls it through the manager's webhook server, at the paths of
// needs.Webhooks and needs.ConvertPath. What a resource would become it learns
// from render; whether a collector's configuration is right says the function
// that the application passes in, because only the collector knows.
//
// Invariants: a deletion is never refused, nor an update that leaves the spec as
// it is, so that what became invalid can still be cleaned up. All that is wrong
// is said at once. Nothing is written; panics do not leave a handler; a
// conversion never fails, because one failure stops every watch of collectors.
package admission

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// timeout is how long an answer may take: the API server gives up after ten
// seconds, and its own work comes on top.
const timeout = 8 * time.Second

// Config is what admission has to know.
type Config struct {
	// Check says what is wrong with a collector's configuration, which is in
	// today's form, by the components of this build. Paths begin at the
	// configuration. Nil when nobody can say; then only its references are
	// checked.
	Check func(ctx context.Context, config map[string]any) []migrate.Finding
	// Facts says what a resource in a namespace is rendered with.
	Facts func(namespace string) render.Facts
	// Images are the default images of agents.
	Images v1alpha1.Images
	// Gates are settings that defaults depend on.
	Gates v1beta1.Gates
	// Denied are the components, as receiver.zipkin, that may not be used on hosts
	// in FIPS mode, of which the operator's own stands for all.
	Denied []string
	// User is the operator's own name at the API server. It passes on what users
	// were asked about, so of it nothing is asked.
	User string
}

// hooks are the handlers and what they share.
type hooks struct {
	Config
	decoder    admission.Decoder
	authorizer *authorizer
}

// Add serves admission and conversion at the manager's webhook server.
func Add(mgr ctrl.Manager, c Config) error {
	api := mgr.GetClient()
	if !hostIsFIPS() {
		c.Denied = nil
	}
	h := &hooks{
		Config: c, decoder: admission.NewDecoder(mgr.GetScheme()),
		authorizer: newAuthorizer(func(ctx context.Context, review *authorizationv1.SubjectAccessReview) error {
			return api.Create(ctx, review)
		}),
	}
	h.register(mgr.GetWebhookServer())
	return nil
}

// hostIsFIPS reports whether the kernel is in FIPS mode. Kernels that do not know
// it have no such file.
func hostIsFIPS() bool {
	text, err := os.ReadFile("/proc/sys/crypto/fips_enabled")
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

// register serves every path.
func (h *hooks) register(server webhook.Server) {
	collector := func() *v1beta1.OpenTelemetryCollector { return new(v1beta1.OpenTelemetryCollector) }
	instrumentation := func() *v1alpha1.Instrumentation { return new(v1alpha1.Instrumentation) }
	bridge := func() *v1alpha1.OpAMPBridge { return new(v1alpha1.OpAMPBridge) }
	allocator := func() *v1alpha1.TargetAllocator { return new(v1alpha1.TargetAllocator) }
	for path, handler := range map[string]admission.HandlerFunc{
		needs.MutatePath("v1beta1", "opentelemetrycollector"):   mutating(h, collector, h.defaultCollector),
		needs.ValidatePath("v1beta1", "opentelemetrycollector"): validating(h, collector, h.defaultCollector, h.validateCollector),
		needs.MutatePath("v1alpha1", "instrumentation"):         mutating(h, instrumentation, h.defaultInstrumentation),
		needs.ValidatePath("v1alpha1", "instrumentation"):       validating(h, instrumentation, h.defaultInstrumentation, h.validateInstrumentation),
		needs.MutatePath("v1alpha1", "opampbridge"):             mutating(h, bridge, h.defaultBridge),
		needs.ValidatePath("v1alpha1", "opampbridge"):           validating(h, bridge, h.defaultBridge, h.validateBridge),
		needs.MutatePath("v1alpha1", "targetallocator"):         mutating(h, allocator, h.defaultAllocator),
		needs.ValidatePath("v1alpha1", "targetallocator"):       validating(h, allocator, h.defaultAllocator, h.validateAllocator),
	} {
		server.Register(path, &webhook.Admission{Handler: handler})
	}
	server.Register(needs.ConvertPath, http.HandlerFunc(convert))
}

// request is one resource at admission. Old is the zero value of its type, and
// update false, when it is created.
type request[T client.Object] struct {
	admission.Request
	object, old T
	update      bool
}

// mutating is the handler that gives a kind its defaults.
func mutating[T client.Object](h *hooks, empty func() T, defaults func(T) []field) admission.HandlerFunc {
	return func(_ context.Context, req admission.Request) admission.Response {
		if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
			return admission.Allowed("")
		}
		object := empty()
		if err := h.decoder.Decode(req, object); err != nil {
			return admission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the resource: %w", err))
		}
		if object.GetDeletionTimestamp() != nil {
			return admission.Allowed("")
		}
		written := map[string]any{}
		if err := utiljson.Unmarshal(req.Object.Raw, &written); err != nil {
			return admission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the resource: %w", err))
		}
		fields := defaults(object) // before object is read: it sets them
		operations, err := patch(written, object, fields)
		if err != nil {
			return admission.Errored(http.StatusInternalServerError, err)
		}
		return admission.Patched("", operations...)
	}
}

// validating is the handler that validates a kind.
func validating[T client.Object](h *hooks, empty func() T, defaults func(T) []field, validate func(context.Context, request[T], *verdict)) admission.HandlerFunc {
	return func(ctx context.Context, req admission.Request) admission.Response {
		if req.Operation != admissionv1.Create && req.Operation != admissionv1.Update {
			return admission.Allowed("")
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		r := request[T]{Request: req, object: empty(), old: empty(), update: req.Operation == admissionv1.Update}
		if err := h.decoder.Decode(req, r.object); err != nil {
			return admission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the resource: %w", err))
		}
		if r.object.GetDeletionTimestamp() != nil {
			return admission.Allowed("")
		}
		if r.update {
			if err := h.decoder.DecodeRaw(req.OldObject, r.old); err != nil {
				return admission.Errored(http.StatusBadRequest, fmt.Errorf("decoding the resource as it was: %w", err))
			}
			if same, err := unchanged(r, defaults); err != nil {
				return admission.Errored(http.StatusInternalServerError, err)
			} else if same {
				return admission.Allowed("")
			}
		}
		v := new(verdict)
		validate(ctx, r, v)
		return v.response(req)
	}
}

// unchanged reports whether an update leaves alone what is validated: the spec,
// and the text of a configuration that was never read, which is in an annotation.
// Defaults that the resource did not have before are no change.
func unchanged[T client.Object](r request[T], defaults func(T) []field) (bool, error) {
	if configError(r.object) != "" && r.object.GetAnnotations()[v1beta1.RemainderAnnotation] != r.old.GetAnnotations()[v1beta1.RemainderAnnotation] {
		return false, nil
	}
	var specs [2]any
	for i, side := range []struct {
		raw   []byte
		typed T
	}{{r.Object.Raw, r.object}, {r.OldObject.Raw, r.old}} {
		var written map[string]any
		if err := utiljson.Unmarshal(side.raw, &written); err != nil {
			return false, fmt.Errorf("decoding the resource: %w", err)
		}
		typed, _ := side.typed.DeepCopyObject().(T)
		fields := defaults(typed)
		if _, err := patch(written, typed, fields); err != nil {
			return false, err
		}
		specs[i] = written["spec"]
	}
	return reflect.DeepEqual(specs[0], specs[1]), nil
}

// configError says why the configuration of a collector could not be read.
func configError(object client.Object) string {
	if c, ok := object.(*v1beta1.OpenTelemetryCollector); ok {
		return c.ConfigError()
	}
	return ""
}

// join is a path as people read it: spec.config.service.extensions[0].
func join(path []string) string {
	var b strings.Builder
	for _, key := range path {
		if _, err := strconv.Atoi(key); err == nil {
			b.WriteString("[" + key + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(key)
	}
	return b.String()
}
