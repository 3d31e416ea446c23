// Package collector is the collector distribution: which components it has,
// and the components that are ours.
//
// Telemetry enters through its receivers and leaves through its exporters, one
// of which writes to the store; package app runs it.
package collector
