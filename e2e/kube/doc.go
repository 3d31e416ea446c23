// Package kube runs a real Kubernetes on this machine, for tests and for people
// who change Signalbox: a full one, with kubelet, containerd and DNS, which needs
// root on Linux, and light ones, API server and controllers with nodes that only
// say that their pods run, which need nothing.
//
// Everything is built from Go modules (e2e/cluster) or comes in packages of the
// distribution; nothing is pulled from a registry. Build makes the binaries, Up
// starts the full cluster in the state directory, Down ends it, Light starts a
// light one. Tests and people talk to either with Cluster.Kubectl or with its
// Kubeconfig.
//
// Invariants: Down leaves the machine as Up found it, also when Up, the cluster
// or an earlier Down was cut short, and is safe to repeat. It finds what to end
// by looking at the machine, not in notes: processes by the state directory in
// their command lines, containers by their cgroup, mounts by their place. Up
// refuses a machine that runs another Kubernetes. Waiting is for conditions, and
// ends at once when a process that is waited for has ended.
package kube
