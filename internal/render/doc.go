// Package render says which Kubernetes objects a resource of ours stands for.
//
// The operator gathers facts about the cluster and applies what render returns;
// `signalbox render` prints the same for files, without a cluster. Old
// configurations pass through migrate on their way.
//
// Invariants: it is pure, so the same resource and facts give the same objects
// in the same order, and it never changes the resource. Objects are apply
// configurations: only fields that we set are in them, so that only these are
// ours. Names, labels and ports are those of opentelemetry-operator 0.158.
package render
