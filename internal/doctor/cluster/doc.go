// Package cluster finds out why no data arrives in a Kubernetes cluster with
// Signalbox: it looks at what is installed, at how the workloads of a namespace
// ask for instrumentation and scraping, and sends probes from that namespace
// through Service, collector and store.
//
// Gather looks, which is all the I/O, and makes a Picture. Judge is pure: it goes
// through the picture with rules, each of which knows one way to lose data, and
// makes findings. Examine does both, and follows probes in between with the help
// of package doctor.
//
// Invariants: nothing is changed but for the pod that sends the probes, which is
// removed in every case, and for calls that are dry runs. What could not be seen
// is said, and never called good. What is to be run to mend a finding is a
// command that works as it is printed, unless words in capitals have to be filled
// in.
package cluster
