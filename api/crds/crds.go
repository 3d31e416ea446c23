// Package crds holds the manifests of the custom resource definitions, which are
// generated from the types in api/v1beta1 and api/v1alpha1 (make generate).
//
// What installs Signalbox applies them; tests apply them to real API servers.
//
// Invariants: each fits the annotation in which kubectl apply keeps what was
// applied, for which descriptions of Kubernetes' own types are left out. None
// says how collectors are converted between versions: who installs them adds
// spec.conversion, with the address and the certificate of the operator, and
// without it collectors are stored wrong.
package crds

import "embed"

// Files are the manifests, one for each kind, as GROUP_PLURAL.yaml.
//
//go:embed *.yaml
var Files embed.FS
