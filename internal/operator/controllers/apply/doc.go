// Package apply makes a cluster hold what a plan of render wants.
//
// A controller gives it the resource and its plan. Each object is looked up in
// the cache and sent by server-side apply when it is missing or differs; then
// what the resource has and no longer wants is deleted. What was done and what
// went wrong comes back as a Result, which becomes status and events.
//
// Invariants: an object that holds what is wanted is not written, also not after
// a restart, because what was applied last is noted on the object as a hash. An
// object of somebody else is never written or deleted. Every step may be the
// last before a crash: doing all of them again ends in the same state.
package apply
