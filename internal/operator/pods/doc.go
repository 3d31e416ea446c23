// Package pods answers the API server's question what a new pod is to get: a
// collector as sidecar. It gathers what inject has to know, hands the pod to it,
// and keeps what was decided: as event of the workload, as metric, and as warning
// to who made the pod.
//
// Invariants: a pod always starts. Whatever goes wrong here, the pod is allowed
// as it was written, and the decision says so. What is asked of the API server
// on the way has a budget of time, and is kept.
package pods
