// Package resourcedetection is the resource_detection processor of the
// distribution: it finds out where it runs and writes that into the resource of
// everything that passes.
//
// It stands in a pipeline as contrib's processor of that name does, with the
// same keys, attributes and defaults, for the detectors env, system, docker,
// gcp, k8s_api and kubeadm. Contrib's links the SDKs of a dozen clouds, which
// are a quarter of the whole binary.
//
// Detection runs beside the pipelines: start-up does not wait for a metadata
// server that does not answer. Data does, up to the timeout, so that the first
// spans have the attributes too. What could not be detected is tried again until
// it can.
//
// Invariants: the collector starts whatever a detector says; a detector that
// hangs delays data by the timeout once; with fail_on_missing_metadata nothing
// passes without the attributes.
package resourcedetection
