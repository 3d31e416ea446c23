package admission

import (
	"context"
	"math"
	"reflect"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

// agent is what an instrumentation says of one language.
type agent struct {
	name      string // in annotations
	key       string // below spec
	resources string // the key of the container's resources below that
	payload   *v1alpha1.Payload
	image     func(v1alpha1.Images) string
}

func agents(i *v1alpha1.Instrumentation) []agent {
	s := &i.Spec
	const resources = "resourceRequirements"
	return []agent{
		{"java", "java", "resources", &s.Java.Payload, func(i v1alpha1.Images) string { return i.Java }},
		{"nodejs", "nodejs", resources, &s.NodeJS.Payload, func(i v1alpha1.Images) string { return i.NodeJS }},
		{"python", "python", resources, &s.Python.Payload, func(i v1alpha1.Images) string { return i.Python }},
		{"dotnet", "dotnet", resources, &s.DotNet.Payload, func(i v1alpha1.Images) string { return i.DotNet }},
		{"go", "go", resources, &s.Go.Payload, func(i v1alpha1.Images) string { return i.Go }},
		{"apache-httpd", "apacheHttpd", resources, &s.ApacheHttpd.Payload, func(i v1alpha1.Images) string { return i.ApacheHttpd }},
		{"nginx", "nginx", resources, &s.Nginx.Payload, func(i v1alpha1.Images) string { return i.Nginx }},
	}
}

// validateInstrumentation checks an instrumentation.
func (h *hooks) validateInstrumentation(_ context.Context, r request[*v1alpha1.Instrumentation], v *verdict) {
	i := r.object
	checkSampler(i.Spec.Sampler, v)
	checkExporter(i.Spec.Exporter, v)
	for _, a := range agents(i) {
		p := a.payload
		path := "spec." + a.key
		if p.VolumeSizeLimit != nil {
			if !reflect.DeepEqual(p.VolumeClaimTemplate, corev1.PersistentVolumeClaimTemplate{}) {
				v.refuse(path+".volumeLimitSize", "cannot stand beside volumeClaimTemplate, which says its own size")
			} else {
				v.warn(path+".volumeLimitSize", "is deprecated: use volumeClaimTemplate")
			}
		}
		if p.Image != "" && p.Image != a.image(h.Images) && p.Image != i.Annotations[v1alpha1.DefaultImageAnnotation(a.name)] {
			v.warn(path+".image", "is not the operator's own, so that no upgrade changes it")
		}
	}
}

func checkSampler(s v1alpha1.Sampler, v *verdict) {
	const path = "spec.sampler.argument"
	switch s.Type {
	case "":
		v.warn("spec.sampler.type", "is empty, so that each SDK takes its own default")
	case v1alpha1.AlwaysOn, v1alpha1.AlwaysOff, v1alpha1.ParentBasedAlwaysOn, v1alpha1.ParentBasedAlwaysOff, v1alpha1.XRay:
	case v1alpha1.TraceIDRatio, v1alpha1.ParentBasedTraceIDRatio:
		if s.Argument != "" && !ratio(s.Argument) {
			v.refuse(path, "sampler %s needs a number from 0 to 1; it is %q", s.Type, s.Argument)
		}
	case v1alpha1.JaegerRemote, v1alpha1.ParentBasedJaegerRemote:
		checkRemote(path, s, v)
	default:
		v.refuse("spec.sampler.type", "%q is no sampler", s.Type)
	}
}

// checkRemote checks the argument of a sampler that asks a server, as
// endpoint=http://jaeger:14250,pollingIntervalMs=5000,initialSamplingRate=0.25.
func checkRemote(path string, s v1alpha1.Sampler, v *verdict) {
	if s.Argument == "" {
		return
	}
	for _, part := range strings.Split(s.Argument, ",") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		_, err := strconv.Atoi(value)
		switch {
		case !ok:
			v.refuse(path, "sampler %s needs key=value, separated by commas; %q is none", s.Type, part)
		case key == "endpoint" && value == "":
			v.refuse(path, "endpoint must not be empty")
		case key == "pollingIntervalMs" && err != nil:
			v.refuse(path, "pollingIntervalMs is a whole number of milliseconds; it is %q", value)
		case key == "initialSamplingRate" && !ratio(value):
			v.refuse(path, "initialSamplingRate is a number from 0 to 1; it is %q", value)
		case key != "endpoint" && key != "pollingIntervalMs" && key != "initialSamplingRate":
			v.refuse(path, "%q is not known: there are endpoint, pollingIntervalMs and initialSamplingRate", key)
		}
	}
}

func ratio(text string) bool {
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && !math.IsNaN(n) && n >= 0 && n <= 1
}

// checkExporter warns of certificates that would not be used.
func checkExporter(e v1alpha1.Exporter, v *verdict) {
	const path = "spec.exporter.tls"
	secure := strings.HasPrefix(strings.ToLower(e.Endpoint), "https://")
	if e.TLS == nil {
		if secure {
			v.warn(path, "is not set, so the https endpoint must have a certificate that the images trust")
		}
		return
	}
	if e.Endpoint != "" && !secure {
		v.warn(path, "has no effect: the endpoint is not https")
	}
	if e.TLS.Key != "" && e.TLS.Cert == "" {
		v.warn(path+".key_file", "has no effect without cert_file")
	}
	if e.TLS.Cert != "" && e.TLS.Key == "" {
		v.warn(path+".cert_file", "has no effect without key_file")
	}
}
