// Package review answers what is, and what would be decided now: which workloads
// ask for something to be injected, what pods of them that start now get, and how
// those that run stand to that.
//
// It reads the metadata of pods page by page, keeps those that ask for something,
// finds the workload that they belong to, and lets the code of the webhook decide
// about its template. The operator serves what comes out as JSON, counts it in
// the status of Instrumentations, and rolls workloads out by it; on a user's
// machine, the same code works with the user's own rights.
//
// Invariants: nothing is kept of pods that ask for nothing, so that memory does
// not grow with them. The API server is asked by a client without a cache of
// pods. Of a status, nothing is written that is there already.
package review
