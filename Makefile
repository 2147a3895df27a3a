# What a person types. Everything is built with the release profile and nothing else, so RocksDB and the
# dependency tree are compiled once (docs/decisions/0002-one-profile.md).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-ui screenshots chaos bench fmt lint ui

# Points cargo at the kept RocksDB library, building it first where there is none.
ROCKSDB := eval "$$(.ci/rocksdb)"
TARGET := $(or $(CARGO_TARGET_DIR),target)
KILLS ?= 200

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

setup: ## install what builds and tests need (apt where it may)
	@.ci/setup build peers

build: ## the `plimsoll` binary
	@.ci/setup build
	@$(ROCKSDB); cargo build --release --workspace --bins

demo: ui build ## a node with live traffic: URLs and queries to try
	@$(TARGET)/release/plimsoll demo

test: ui ## all tests, against real processes, and the web page in a real browser
	@.ci/setup build peers || .ci/setup build
	@$(ROCKSDB); \
	cargo build --release --workspace --bins --tests; \
	if command -v cargo-nextest >/dev/null; then \
		cargo nextest run --release --workspace; \
	else \
		echo "cargo-nextest is not installed: running cargo test"; \
		cargo test --release --workspace --lib --bins --tests; \
	fi
	@$(MAKE) --no-print-directory test-ui

test-ui: ## the web page's own tests: its logic, and all pages in headless Chromium against a demo
	@if ! command -v npm >/dev/null || [ ! -d node/ui/node_modules ]; then echo "LEFT OUT: the web page's tests need npm"; exit 0; fi; \
	(cd node/ui && npx vitest run); \
	if .ci/setup browser; then cd node/ui && PLIMSOLL_BIN="$(abspath $(TARGET))/release/plimsoll" npx playwright test --project tests; \
	else echo "LEFT OUT: the pages in a browser, for want of Chromium"; fi

screenshots: ui build ## pictures of all pages for docs/screenshots, from a demo
	@.ci/setup browser
	@cd node/ui && PLIMSOLL_BIN="$(abspath $(TARGET))/release/plimsoll" npx playwright test --project screenshots

chaos: build ## faults against one node and a cluster under load: nothing acknowledged may be lost (docs/faults.md)
	@.ci/setup chaos || echo "without these, some scenarios are left out"
	@$(TARGET)/release/plimsoll-kill --kills $(KILLS)
	@if [ "$$(id -u)" != 0 ]; then echo "not root: partitions and full disks are left out"; fi
	@$(TARGET)/release/plimsoll-sim --seeds 1000
	@$(TARGET)/release/plimsoll-chaos --scenario all

bench: build ## against VictoriaMetrics and Prometheus, side by side; writes the tables of docs/benchmarks.md
	@.ci/setup peers
	@tests/load/run

fmt: ## format all code
	@cargo fmt --all

lint: ## what CI holds: format, clippy, docs
	@.ci/setup build
	@cargo fmt --all -- --check
	@$(ROCKSDB); cargo clippy --release --workspace --all-targets -- -D warnings
	@$(ROCKSDB); RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet

ui: ## the web page's bundle, where npm is installed
	@cd node/ui; \
	if [ -f dist/index.html ] && [ -z "$$(find src public index.html package-lock.json vite.config.ts -newer dist/index.html -print -quit)" ]; then exit 0; fi; \
	if ! command -v npm >/dev/null; then echo "npm is not installed: the node is built without its web page"; exit 0; fi; \
	if [ ! -d node_modules ] || [ package-lock.json -nt node_modules ]; then npm ci --no-audit --no-fund && touch node_modules; fi && npm run build \
	|| echo "the web page could not be built (see above): the node is built without it"
