// Package allocator is the target allocator: it discovers what is to be
// scraped, divides it among collectors, and tells each of them its share over
// HTTP, in the protocol of the Prometheus receiver's target_allocator block.
//
//	configuration ─▶ Prometheus' discovery ─▶ targets ─┐
//	                                                   ├─▶ Allocation ─▶ HTTP ─▶ collectors
//	pods of the collectors (or a fixed list) ──────────┘
//
// Invariants:
//
//   - A target is what is left of its labels after relabeling. Two that are
//     equal then are one, and each belongs to at most one collector.
//   - A target that moves is with its old collector until its new one has asked
//     for it and had the time to scrape it once: nothing is lost on the way.
//   - Nothing is answered before discovery had its first say, so that collectors
//     keep what they have when an allocator starts again.
//   - Secrets leave only through mutual TLS, unless the configuration says else.
package allocator
