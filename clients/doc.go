// Package clients holds programs that send telemetry the way applications do,
// with the SDKs that applications use, and the tests that run them against the
// real binary and ask its HTTP APIs what arrived.
//
// It stands outside of Signalbox: it starts `signalbox up` as a process, knows
// only its flags, ports and APIs, and is the one place that notices when a
// client in another language no longer gets through. Each program's folder pins
// its dependencies; see README.md for what they are.
//
// recorded/ has what the clients sent, byte for byte, with what must come of it,
// and a test that sends it again needs none of them.
//
// Invariant: the programs carry no setting for Signalbox but an endpoint, so
// what docs/send-data.md says is what is run here.
package clients
