# The everyday commands. A thin front: CMake presets and scripts/ do the work. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
# Installs missing packages; `make BOOTSTRAP=true …` trusts that they are there.
BOOTSTRAP ?= scripts/bootstrap
RUNS ?= 1000
SEEDS ?= 200000
# What `make bench` measures of suite threads; all of it takes minutes on a GPU and most of an hour on a CPU driver.
BENCH_THREADS ?= --threads 1,2,8 --work tiny,80us
FORMATTED = $(shell find $(wildcard src include examples bench tests tools) -name '*.[ch]')

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: bootstrap
bootstrap: ## Install the packages of scripts/packages.txt that are missing
	@$(BOOTSTRAP)

# build-release, build-debug, build-asan, build-tsan, build-clang, build-portable: configure if needed, and build (all, or TARGETS).
.PHONY: build-%
build-%: bootstrap
	@if [ ! -f build/$*/build.ninja ] || [ CMakePresets.json -nt build/$*/build.ninja ]; then \
	    cmake --preset $* --log-level=WARNING >/dev/null; fi
	@cmake --build --preset $* --parallel $(JOBS) $(if $(TARGETS),--target $(TARGETS))

# Builds what the examples need, not the tests.
.PHONY: demo
demo: TARGETS = hello decode
demo: build-release ## Decode text in eight threads on the best device there is
	build/release/bin/decode --sequences 8

.PHONY: test
test: build-release ## Run every test
	@scripts/run-tests build/release

.PHONY: bench
bench: build-release ## Measure beside hand-written Vulkan: cost of a dispatch, many threads, latency, lifetimes; results in build/release/bench.*
	build/release/bin/fermata-bench record --json build/release/bench-record.json
	build/release/bin/fermata-bench threads $(BENCH_THREADS) --json build/release/bench-threads.json
	build/release/bin/fermata-bench latency --json build/release/bench-latency.json
	build/release/bin/fermata-bench lifetime --json build/release/bench-lifetime.json
	build/release/bin/fermata-bench-retire --json build/release/bench-retire.json
	@scripts/bench-report -o build/release/bench build/release/bench-{record,threads,latency}.json

.PHONY: callgrind
callgrind: build-release ## Count the instructions of a dispatch by stage (needs valgrind)
	@scripts/callgrind-record build/release

.PHONY: simulate
simulate: build-release ## Explore SEEDS random schedules (200000) and every order of small ones, on the device that runs when told
	@case '$(SEEDS)' in '' | *[!0-9]*) echo "make simulate: SEEDS is a whole number, not '$(SEEDS)'" >&2; exit 2 ;; esac
	build/release/bin/exhaust
	build/release/bin/explore --prove 50000
	build/release/bin/explore --seeds $(SEEDS)

.PHONY: ablate
ablate: build-release ## Show each guard's test pass with the guard and fail without it
	build/release/bin/ablate --table

.PHONY: asan
asan: build-asan ## Run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/run-tests build/asan

.PHONY: tsan
tsan: build-tsan ## Run the tests under ThreadSanitizer
	@setarch -R scripts/run-tests build/tsan

.PHONY: tsan-soak
tsan-soak: build-tsan ## Repeat the concurrency tests under ThreadSanitizer, RUNS times (1000)
	@scripts/tsan-soak build/tsan $(RUNS)

.PHONY: validate
validate: build-release ## Run Vulkan's tests under the Khronos validation layer; one message fails
	@scripts/validate build/release

.PHONY: swiftshader
swiftshader: build-release ## Run the conformance suite's values and kernels on SwiftShader, a second CPU driver
	@scripts/swiftshader build/release

.PHONY: no-driver
no-driver: build-release ## Run the demo and the tests as on a machine without a Vulkan driver
	@scripts/no-driver build/release

.PHONY: model
model: bootstrap ## Check the model of the submit engine with spin
	@docs/model/check

.PHONY: clang
clang: build-clang ## Build with clang and run the tests of the library (not those of texts, tools and packages)
	@scripts/run-tests build/clang -L '^(unit|simulation|regression|conformance|process|example|header)$$' -E '^language\.'

.PHONY: check
check: bootstrap ## Check the style: comments, lengths, tags, words, format
	@scripts/check-style

.PHONY: tidy
tidy: build-release ## Run clang-tidy over the library
	@find src -name '*.c' -print0 | xargs -0 -n 4 -P $(JOBS) clang-tidy -p build/release --quiet

.PHONY: format
format: bootstrap ## Give all code the shape of .clang-format
	@clang-format -i $(FORMATTED)

.PHONY: install
install: build-release ## Install to DESTDIR and PREFIX (/usr/local): headers, libraries, CMake package, pkg-config file
	@cmake --install build/release --prefix "$(PREFIX)"

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf build
