// The retired OpenCensus client is a client program's dependency, not the
// product's. This is a release of 2019.
module github.com/signalbox-otel/signalbox/clients/opencensusgo

go 1.26.0

require (
	contrib.go.opencensus.io/exporter/ocagent v0.5.0
	github.com/census-instrumentation/opencensus-proto v0.2.0
	github.com/golang/protobuf v1.3.1
	go.opencensus.io v0.21.0
	google.golang.org/grpc v1.20.1
)

require (
	github.com/grpc-ecosystem/grpc-gateway v1.8.5 // indirect
	github.com/hashicorp/golang-lru v0.5.0 // indirect
	golang.org/x/net v0.0.0-20190311183353-d8887717615a // indirect
	golang.org/x/sync v0.0.0-20190227155943-e225da77a7e6 // indirect
	golang.org/x/sys v0.0.0-20190215142949-d0b11bdaac8a // indirect
	golang.org/x/text v0.3.0 // indirect
	google.golang.org/api v0.4.0 // indirect
	google.golang.org/genproto v0.0.0-20190307195333-5fe7a883aa19 // indirect
)
