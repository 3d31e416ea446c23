// Package v1alpha1 holds the custom resource types of group opentelemetry.io in
// version v1alpha1: instrumentation, target allocator and OpAMP bridge, which
// have no other, and the collector as it was before v1beta1, with the conversion
// from and to it.
//
// The operator reads these types from the API server, and answers with Convert
// when the API server wants a collector in another version. Render and inject
// see collectors of v1beta1 only.
//
// Invariants: no I/O. Conversion never fails, because one failure stops every
// watch of collectors, and loses nothing: what a version cannot hold is in an
// annotation of it.
//
// +kubebuilder:object:generate=true
// +groupName=opentelemetry.io
package v1alpha1
