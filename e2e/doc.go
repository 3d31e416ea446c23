// Package e2e holds the tests of what the README promises of a Kubernetes cluster,
// one test per promise, on a real one: the image as it is shipped, the kubelet,
// the network and DNS.
//
// It stands outside of Signalbox, as a user does: it applies manifests with
// kubectl, and asks Services what arrived. The tests are behind the build tag
// e2e; make e2e starts a cluster for them, and go test -tags e2e ./e2e uses the
// one of make cluster-up.
//
// Invariant: the manifests in testdata/seed-* are those of the documents that
// users follow, unchanged but for the names of projects and, where it says so,
// for intervals.
package e2e
