# Everything here needs Go and make, and nothing else. `make` lists the targets.

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# -buildvcs=false: the version comes from VERSION; without it a checkout owned by another user does not build.
BUILD   := CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
FUZZTIME ?= 20s
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help build demo report test test-long test-wasm test-purego lint cross fuzz bench-peers clean generate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

build: ## build bin/fhe-ml, one static binary
	$(BUILD) -o bin/fhe-ml ./cmd/fhe-ml

demo: build ## the whole story on embedded real models and data, under 2 minutes
	./bin/fhe-ml demo

report: build ## bin/report/report.html: accuracy and cost of a table of models, measured on this machine
	$(GO) run cmd/fhe-ml/testdata/report/run.go

test: ## all tests but the long ones, under 10 minutes on 2 cores
	$(GO) test -timeout 20m ./...

test-long: ## all tests: also those that FHEML_LONG=1 turns on (hours of statistics at most)
	FHEML_LONG=1 $(GO) test -timeout 4h ./...

test-wasm: ## the client's test vectors under js/wasm (needs node)
	@command -v node >/dev/null || { echo 'test-wasm needs node (https://nodejs.org), version 18 or later: it is not in PATH' >&2; exit 1; }
	GOOS=js GOARCH=wasm $(GO) test -exec="$$($(GO) env GOROOT)/lib/wasm/go_js_wasm_exec" -count=1 -run Vectors -v ./tfhe

test-purego: ## tfhe without assembly, and with the AVX2 kernels instead of the AVX-512 ones (short)
	$(GO) test -short -tags purego -timeout 20m ./tfhe/...
	GODEBUG=cpu.avx512f=off $(GO) test -short -count=1 -timeout 20m ./tfhe/...

lint: ## gofmt and go vet
	@unformatted=$$(gofmt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'gofmt -w these files:\n%s\n' "$$unformatted" >&2; exit 1; fi
	$(GO) vet ./...

generate: ## regenerate the assembly from its Go programs (tfhe/internal/*/_asm)
	$(GO) generate ./tfhe/internal/fft ./tfhe/internal/vec

cross: ## build for every platform: bin/fhe-ml-OS-ARCH, and the client for js/wasm
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; ext=; [ $$os = windows ] && ext=.exe; \
		echo "build $$platform"; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o bin/fhe-ml-$$os-$$arch$$ext ./cmd/fhe-ml; \
	done
	@echo 'build js/wasm (compiler/client)'
	@GOOS=js GOARCH=wasm $(GO) build ./compiler/client

fuzz: ## run every fuzz target for FUZZTIME (20s) each
	@set -e; found=0; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			found=1; echo "$$target in $$(dirname $$file)"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$(dirname $$file); \
		done; \
	done; [ $$found = 1 ] || { echo 'no fuzz targets found' >&2; exit 1; }

bench-peers: ## time our lookups against TFHE-rs 1.8.2 (needs cargo; BENCH_PEERS='-bits 4 -rounds 3'), our models against Concrete ML 1.9.0 (Python 3.11; BENCH_MODELS='-models tree')
	@status=0; \
	$(GO) run tfhe/testdata/peers/run.go $(BENCH_PEERS) || status=1; \
	$(GO) run models/testdata/peers/run.go $(BENCH_MODELS) || status=1; \
	exit $$status

clean: ## remove bin
	rm -rf bin
