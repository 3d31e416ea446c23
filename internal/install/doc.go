// Package install says what a cluster needs to run Signalbox: values, which users
// give, to the objects of the operator, the store and the default collector.
//
// Every object is written once, as a tree with holes. `signalbox install` fills
// the holes with values and prints or applies the objects; `make deploy` fills
// them with the expressions of a Helm chart. So the ways to install cannot differ.
// What the operator needs comes from operator/needs.
//
// Invariants: no I/O, and the same values give the same objects in the same order,
// which is the order to apply them in: reversed, it is the order to remove them.
package install
