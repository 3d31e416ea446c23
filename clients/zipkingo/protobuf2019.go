//go:build release2019

package main

import "github.com/openzipkin/zipkin-go/reporter"

// protobuf is missing: its package had another name, which `go mod tidy` would
// look for in the release of today.
var protobuf reporter.SpanSerializer
