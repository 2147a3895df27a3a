# What a person types. Everything is built with the release profile and nothing else, so RocksDB and the
# dependency tree are compiled once (docs/decisions/0002-one-profile.md).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build demo test chaos bench fmt lint ui

# Points cargo at the kept RocksDB library, building it first where there is none.
ROCKSDB := eval "$$(.ci/rocksdb)"
TARGET := $(or $(CARGO_TARGET_DIR),target)
KILLS ?= 200

help: ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 10

setup: ## install what builds and tests need (apt where it may)
	@.ci/setup build peers

build: ## the `plimsoll` binary
	@.ci/setup build
	@$(ROCKSDB); cargo build --release --workspace --bins

demo: ui build ## a node with live traffic: URLs and queries to try
	@$(TARGET)/release/plimsoll demo

test: ## all tests, against real processes
	@.ci/setup build peers || .ci/setup build
	@$(ROCKSDB); \
	cargo build --release --workspace --bins --tests; \
	if command -v cargo-nextest >/dev/null; then \
		cargo nextest run --release --workspace; \
	else \
		echo "cargo-nextest is not installed: running cargo test"; \
		cargo test --release --workspace --lib --bins --tests; \
	fi

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

ui: ## the web page's bundle, where npm is installed and node/ui has sources
	@if [ ! -f node/ui/package.json ] || [ node/ui/dist -nt node/ui/package-lock.json ]; then exit 0; \
	elif ! command -v npm >/dev/null; then echo "npm is not installed: the node is built without its web page"; \
	else cd node/ui && npm ci --no-audit --no-fund && npm run build; fi
