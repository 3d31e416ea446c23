// The retired Jaeger client is a client program's dependency, not the product's.
// This is a release of 2019.
module github.com/signalbox-otel/signalbox/clients/jaegergo

go 1.26.0

require (
	github.com/opentracing/opentracing-go v1.1.0
	github.com/uber/jaeger-client-go v2.16.0+incompatible
)

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	github.com/uber-go/atomic v1.4.0 // indirect
	github.com/uber/jaeger-lib v2.4.1+incompatible // indirect
)
