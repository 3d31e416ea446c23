// Zipkin's client is a client program's dependency, not the product's.
// This is a release of 2019, built with the tag release2019, which `go mod tidy`
// does not know: the file is written by hand.
module github.com/signalbox-otel/signalbox/clients/zipkingo

go 1.26.0

require github.com/openzipkin/zipkin-go v0.1.6
