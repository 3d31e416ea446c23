package needs

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Webhook is a call that the API server makes at admission.
type Webhook struct {
	Name     string
	Path     string
	Mutating bool
	// Group, Version and Resource are what it is called for.
	Group, Version, Resource string
	Operations               []admissionv1.OperationType
	// Policy is what happens when the operator does not answer.
	Policy admissionv1.FailurePolicyType
}

// PodPath is where pods are mutated.
const PodPath = "/mutate-v1-pod"

// Webhooks are all of them. That of pods is ignored when it does not answer,
// because a pod must start; those of deletions, because an operator that is gone
// must not keep its resources.
func Webhooks() []Webhook {
	all := []Webhook{{
		Name: "mpod.kb.io", Path: PodPath, Mutating: true,
		Version: "v1", Resource: "pods",
		Operations: []admissionv1.OperationType{admissionv1.Create}, Policy: admissionv1.Ignore,
	}}
	for _, r := range []struct{ version, resource, kind, suffix string }{
		{"v1beta1", "opentelemetrycollectors", "opentelemetrycollector", "beta"},
		{"v1alpha1", "instrumentations", "instrumentation", ""},
		{"v1alpha1", "opampbridges", "opampbridge", ""},
		{"v1alpha1", "targetallocators", "targetallocator", "beta"},
	} {
		hook := Webhook{Group: v1beta1.Group, Version: r.version, Resource: r.resource, Policy: admissionv1.Fail}
		write := []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}

		mutate := hook
		mutate.Name, mutate.Path = "m"+r.kind+r.suffix+".kb.io", MutatePath(r.version, r.kind)
		mutate.Mutating, mutate.Operations = true, write

		validate := hook
		validate.Name, validate.Path = "v"+r.kind+"createupdate"+r.suffix+".kb.io", ValidatePath(r.version, r.kind)
		validate.Operations = write

		remove := validate
		remove.Name = "v" + r.kind + "delete" + r.suffix + ".kb.io"
		remove.Operations, remove.Policy = []admissionv1.OperationType{admissionv1.Delete}, admissionv1.Ignore
		all = append(all, mutate, validate, remove)
	}
	return all
}

// MutatePath is where resources of a kind, in lower case, get their defaults.
func MutatePath(version, kind string) string { return path("mutate", version, kind) }

// ValidatePath is where resources of a kind, in lower case, are validated.
func ValidatePath(version, kind string) string { return path("validate", version, kind) }

func path(verb, version, kind string) string {
	return "/" + verb + "-opentelemetry-io-" + version + "-" + kind
}
