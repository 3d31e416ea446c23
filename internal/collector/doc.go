// Package collector is the collector distribution: which components it has,
// the commands that run and check configurations, and the components that are
// ours.
//
// Telemetry enters through its receivers and leaves through its exporters, one
// of which writes to the store; package app runs it.
//
// Invariants: a configuration is resolved, decoded and checked whole before
// anything of it runs, and what runs is decoded from what was checked. A
// configuration that is refused on reload changes nothing.
package collector
