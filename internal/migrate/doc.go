// Package migrate rewrites collector configurations of every age to what this
// distribution runs, and says what it changed and why.
//
// The collector migrates what it loads, the operator what it admits, and
// `signalbox migrate` files. Old forms come in as YAML nodes or text, with the
// facts that rules need; the same nodes and text come out rewritten, with a
// Finding for each change.
//
// Invariants: it is pure, so the same input gives the same output; it keeps the
// comments, the order and the lines of what it does not change; migrating twice
// changes nothing more; every rule has a row in Rules, and by it a row and an
// example in the documentation.
package migrate
