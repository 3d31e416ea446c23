//go:build !release2019

package main

import (
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"github.com/openzipkin/zipkin-go/reporter"
)

// protobuf encodes spans as protobuf.
var protobuf reporter.SpanSerializer = zipkin_proto3.SpanSerializer{}
