// Package inject says what a pod gets beside what its author wrote, and why.
//
// The operator's webhook hands it a pod with what it gathered: the namespace, the
// resources that the pod may mean, who owns the pod, what the namespace limits.
// What comes back is the pod to start and a decision with its reason, which
// becomes an event, a metric and an explanation.
//
// Invariants: it is pure, and changes none of its arguments. It gives back a pod
// that the API server takes, or the pod as it was: nothing is half injected.
package inject
