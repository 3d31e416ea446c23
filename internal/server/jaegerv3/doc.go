// Package jaegerv3 is the generated code of Jaeger's gRPC query API, version 3:
// what package server and its clients exchange on the wire. The contract is
// Jaeger's; jaeger_api_v3.proto states the part of it that signalbox answers,
// so a field number there never changes.
package jaegerv3

//go:generate go run -C ../../../tools ./protogen ../internal/server/jaegerv3 jaeger_api_v3.proto
