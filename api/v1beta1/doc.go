// Package v1beta1 holds the custom resource types of group opentelemetry.io in
// the version that is stored: the collector, what it shares with the other
// kinds, and the keys of labels and annotations.
//
// The operator reads these types from the API server and writes their status;
// render and inject turn them into objects; package v1alpha1 converts from and
// to the form before. The manifests of the resource definitions in api/crds and
// the deep copies are generated from here (make generate).
//
// Invariants: no I/O. Decoding never refuses a collector for the shape of its
// configuration, because one refusal stops a watch of all collectors: what does
// not fit is kept beside, and is written back as it was. Names and shapes are
// those of opentelemetry-operator 0.158.
//
// +kubebuilder:object:generate=true
// +groupName=opentelemetry.io
package v1beta1
