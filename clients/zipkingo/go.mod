// Zipkin's client is a client program's dependency, not the product's.
module github.com/signalbox-otel/signalbox/clients/zipkingo

go 1.26.0

require github.com/openzipkin/zipkin-go v0.4.3

require google.golang.org/protobuf v1.33.0 // indirect
