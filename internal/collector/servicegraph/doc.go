// Package servicegraph is the collector component `service_graph`: it counts and
// times the calls between services, from the spans at their two ends.
//
// It is contrib's component by configuration, metrics and counters, but reads
// store batches as they come from the wire (see package wire) and allocates
// nothing for an edge: contrib's needs pdata, and two maps and a list element for
// each edge. Pdata is read too, from other receivers and behind processors, into
// the same few fields (half). Exponential histograms are left to contrib's.
//
// A span that calls is kept under its trace and span id, one that is called under
// its trace and parent id. Whoever comes second completes the edge, which is added
// to the sums of its series; calls of databases are complete at once. What has
// waited for longer than the TTL goes: as a call of a virtual node if the
// configuration has peer attributes and it is a call, or has no parent at all.
//
// Two things are done otherwise than by contrib's: what was counted since the
// last time is sent at stop, and a span that ends before it starts took no time.
//
// Invariants: nothing of a batch is kept but copies of texts, of those that edges
// and series have, and of at most as many again, or 1,000. Edges that wait are at
// most max_items, in the order in which they came, which is that in which they
// end. The lock is held for a bounded number of spans, edges or data points, and
// never while metrics are sent; only to forget series it is held for all. The sums
// of a series only grow until it is forgotten, 15 minutes after its last edge.
package servicegraph
