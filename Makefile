# Every build and test uses these flags, so that the collector's components are
# compiled once and shared by the binary and all tests. The tags keep the
# Prometheus service discoveries that clusters and files need and leave out the
# SDKs of twenty clouds (45 MB instead of 73).
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false -tags=remove_all_sd,enable_kubernetes_sd,enable_http_sd,enable_file_sd,enable_dns_sd

# Packages whose own concurrency the race detector watches. The rest would
# compile the whole component set a second time.
RACE := ./internal/collector/standby/... ./internal/store/... ./internal/ingest/... ./internal/query/... ./internal/server/...

# Packages that staticcheck reads. It reads all that they import too, which for
# the collector's components takes longer than compiling them.
LIGHT := . ./api/... ./web ./bench/... ./internal/buildcache ./internal/demo/... ./internal/load/... ./internal/migrate/... ./internal/store/... ./internal/ingest/... ./internal/archive ./internal/query/... ./internal/server/... ./e2e/kube/... ./e2e/runtimes ./e2e/ctl ./e2e/app ./e2e/pause ./images/...

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/signalbox, static and stripped
	go build -buildvcs=auto -ldflags "-s -w" -o bin/signalbox ./cmd/signalbox

.PHONY: up
up: build ## Build and start Signalbox on localhost, with the demo
	bin/signalbox up --demo

.PHONY: test
test: lint test-unit test-race test-size test-web ## Run all the tests that any machine can run

.PHONY: test-unit
test-unit: setup kube
	go test -timeout 40m ./... # with cold caches, tests build clients and peers

# Left out under the race detector, where they take a minute: tests of one
# goroutine that repeat a run hundreds of times.
.PHONY: test-race
test-race:
	CGO_ENABLED=1 go test -race -skip 'TestEveryFailure|TestRecordsComeBack|TestCorruption|TestHistories|TestVerify|TestRepair' $(RACE)

# The binary must stay small enough to ship in one image layer.
.PHONY: test-size
test-size: build
	@size=$$(stat -c %s bin/signalbox); echo "bin/signalbox: $$((size / 1000000)) MB"; test $$size -le 185000000

.PHONY: test-web
test-web: web-setup web-check build
	rm -rf bin/shots
	cd web && npm test
	cd web && SHOTS=../bin/shots npm run e2e
	@echo "screenshots of every page: $$(ls bin/shots | wc -l) in bin/shots"

.PHONY: web
web: web-setup ## Build the page into web/dist
	cd web && npm run build

# What is committed must be what the sources give.
.PHONY: web-check
web-check: web-setup
	cd web && npm run check && npm run build -- --outDir ../bin/dist --emptyOutDir --logLevel warn
	diff -r web/dist bin/dist || { echo "web/dist is not what the sources give: run make web"; exit 1; }

.PHONY: web-setup
web-setup:
	web/setup.sh

.PHONY: image
image: build ## Lay out the files of the container image in bin/image
	images/signalbox/rootfs.sh bin/signalbox bin/image/out

# Installs the packages of the lock files once; later it finds what it made.
.PHONY: payloads
payloads: ## Build the payload images' files into the cache folder
	go run ./images/payload/build

# Takes the newest releases. Read the diff of the lock files, and run the tests.
.PHONY: payloads-update
payloads-update: ## Update the lock files of the payload images
	for script in images/*/update.sh; do $$script || exit 1; done

# Compiles Kubernetes once; later, and in other clones, it finds the binaries.
.PHONY: kube
kube: ## Build the Kubernetes of the tests into the cache folder
	go run ./e2e/ctl build

.PHONY: e2e
e2e: e2e-setup image ## Run the tests that need a real Kubernetes: root on Linux
	go test -tags e2e -count=1 -timeout 30m -run TestDownLeavesNothing ./e2e/kube
	go run ./e2e/ctl run go test -tags e2e -count=1 -timeout 60m ./e2e # with cold caches, tests build runtimes

# The payloads are built by the packagers of their languages, and applications run
# on their runtimes.
.PHONY: e2e-setup
e2e-setup: setup
	e2e/setup.sh

.PHONY: cluster-up
cluster-up: e2e-setup image ## Start a Kubernetes with our images loaded: root on Linux
	@go run ./e2e/ctl up

.PHONY: cluster-load
cluster-load: image ## Load our images into the running Kubernetes again
	go run ./e2e/ctl load

.PHONY: cluster-down
cluster-down: ## End the Kubernetes of cluster-up, and all that it left
	go run ./e2e/ctl down

CONTROLLER_GEN := go tool -modfile=tools/controller-gen/go.mod controller-gen paths=./api/v1beta1 paths=./api/v1alpha1

.PHONY: generate
generate: ## Generate deep copies, manifests and reference of the API
	$(CONTROLLER_GEN) object
	$(CONTROLLER_GEN) crd:generateEmbeddedObjectMeta=true output:crd:dir=api/crds
	go run ./api/crds/gen api/crds docs/custom-resources.md

# What is committed must be what the types give.
.PHONY: generate-check
generate-check:
	rm -rf bin/.api && mkdir -p bin && cp -r api bin/.api && cp docs/custom-resources.md bin/.api
	@$(MAKE) --no-print-directory generate
	diff docs/custom-resources.md bin/.api && rm bin/.api/custom-resources.md && diff -r bin/.api api || { echo "api was not what the types give; it is now"; exit 1; }

DEPLOY := go run ./deploy/gen $$(sed -n 's/^const Version = "\(.*\)"/\1/p' internal/app/version.go)

.PHONY: deploy
deploy: ## Generate the manifest, the kustomize base and the Helm chart
	$(DEPLOY) deploy

# What is committed must be what signalbox install prints.
.PHONY: deploy-check
deploy-check:
	rm -rf bin/deploy && $(DEPLOY) bin/deploy
	diff -r -x gen deploy bin/deploy || { echo "deploy is not what signalbox install prints: run make deploy"; exit 1; }

.PHONY: lint
lint: generate-check deploy-check ## Check formatting, vet and staticcheck
	@unformatted=$$(gofmt -l api cmd deploy examples images internal clients bench e2e web/*.go *.go); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags e2e ./e2e ./e2e/kube
	go tool -modfile=tools/go.mod staticcheck $(LIGHT)

.PHONY: setup
setup: ## Install what the tests need: Node.js, npm, Python, Java, Prometheus
	clients/setup.sh

.PHONY: record
record: setup build ## Record again what real clients send, for the tests that replay it
	RECORD=1 go test ./clients -count=1 -run '^TestRecorded$$'
	UPDATE=1 go test ./clients -count=1 -run '^TestClientsPage$$'

.PHONY: fuzz
fuzz: ## Run each fuzz target for 30 s
	@grep -rl --include='*_test.go' '^func Fuzz' api internal | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$file); do \
			echo "$$target in $$(dirname $$file)"; \
			go test ./$$(dirname $$file) -run '^$$' -fuzz "^$$target$$" -fuzztime 30s || exit 1; \
		done; \
	done

.PHONY: bench
bench: bench-page bench-forward bench-startup bench-operator bench-engine ## Run all the measurements of bench/

.PHONY: bench-page
bench-page: web-setup build ## Measure the page on a million spans
	go run ./bench/page

# The peer is built as the collector's builder does it, without our flags.
.PHONY: bench-forward
bench-forward: build ## Compare forwarding with the plain collector
	GOFLAGS="-trimpath -buildvcs=false" go build -C bench/otelcol -ldflags "-s -w" -o ../../bin/otelcol .
	go run ./bench/forward

.PHONY: bench-startup
bench-startup: setup ## Measure what payloads add to the start of programs
	go run ./bench/startup

.PHONY: bench-operator
bench-operator: build kube ## Measure the operator on a light cluster
	go run ./bench/operator

# Builds Jaeger and a collector and fetches ClickHouse, once.
.PHONY: bench-engine
bench-engine: setup build ## Compare the store with Jaeger and ClickHouse
	go run ./bench/engine

.PHONY: bench-admission
bench-admission: build kube ## Measure how long pods wait for what is injected
	go run ./bench/operator -pods-only

.PHONY: clean
clean: ## Remove what the build made
	rm -rf bin
