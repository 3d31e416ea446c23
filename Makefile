# Every build and test of this project uses these flags, so that the collector's
# components are compiled once and shared by the binary and all tests.
# The tags keep the Prometheus service discoveries that clusters and files need
# and leave out the SDKs of twenty clouds (45 MB instead of 73).
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false -tags=remove_all_sd,enable_kubernetes_sd,enable_http_sd,enable_file_sd,enable_dns_sd

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
.DEFAULT_GOAL := help

.PHONY: build
build: ## Build bin/signalbox
	go build -ldflags "-s -w" -o bin/signalbox ./cmd/signalbox
