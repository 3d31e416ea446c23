// Package query answers questions about the spans and log records that a store
// keeps: searches, whole traces, services with their rates, errors and
// durations, facets, histograms over time and live tails.
//
// It sits between package store, whose readers it calls through the small
// interfaces Reader, Catalog and Follower, and package server, which turns HTTP
// requests into its calls. Parse reads the condition language that users type;
// Engine plans conditions onto store.Query and executes them.
//
// Invariants: every answer carries a store.Report, so that an answer that lacks
// records says so; every question has a budget of rows and stops at it; text
// from users never makes it panic.
package query
