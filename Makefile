# The verbs of this project. `make demo` and `make test` install what they need.
.PHONY: demo run test test-units test-redis tools clients chaos lint deny gen gen-rust docs dist dist-clients dist-test release-check bench bench-peers

# Tests wait more than they compute, so twice as many run beside each other as there are processors.
THREADS = $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))

# Modules of tests/it that touch Redis most, without what in them touches none. The 8.2 that is fetched speaks no TLS.
ON_REDIS_82 = contract:: cluster:: sentinel:: redis_access:: promises:: two_supervisors:: \
	--skip ::on_memory:: --skip contract::process_manager:: --skip redis_access::tls --skip cluster::tls

# Everything once, for real: private Redis, supervisor, actors, a job from gRPC and back.
demo:
	.ci/install redis python
	cargo build --bins
	examples/demo.sh

# The service with a private Redis and local actors, until Ctrl-C.
run:
	.ci/install redis
	cargo build --bins
	cargo run --bin hero-supervisor -- dev

# The tools and the clients need the network more than the processor, so they go beside the lints; the test under faults mostly waits,
# so it goes beside what is run on another Redis. Clients tell short breaks from long ones, so their tests have no other run beside them.
test:
	$(MAKE) --no-print-directory -j 2 lint clients docs
	cargo test --no-run
	$(MAKE) --no-print-directory -j 2 test-units test-redis
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(THREADS)} cargo test --test it
	cargo test --doc

# The tests within the sources, and a minute under faults.
test-units:
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(THREADS)} cargo test --lib --bins --test chaos

# What touches Redis most, once more on another version; HERO_REDIS_SERVER is the program that tests start.
test-redis:
	.ci/install redis-8.2
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(THREADS)} HERO_REDIS_SERVER=$(CURDIR)/target/redis-8.2/redis-server \
		cargo test --test it -- $(ON_REDIS_82)

tools:
	.ci/install redis zinit grpcurl systemd prometheus clients web

# The contract, the generated code, each client by the tools of its language, and the dashboard by its own.
clients: tools
	clients/check
	web/check

# The test under faults, for half an hour; HERO_CHAOS_SECONDS and HERO_CHAOS_SEED say otherwise (docs/testing.md).
chaos:
	.ci/install redis zinit python
	HERO_CHAOS_SECONDS=$${HERO_CHAOS_SECONDS:-1800} cargo test --test chaos -- --nocapture

lint:
	.ci/install rust-components
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --test packaging -- -D warnings
	# The client as those get it who leave the service out, in the hands of a program, which the tests run.
	cargo build --no-default-features --features client --example conformance_runner
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Licences, sources and bans of the dependencies (deny.toml); security advisories too, where their database can be had.
deny:
	.ci/install deny
	cargo deny --all-features check bans licenses sources

# Everything that a release hands out, in dist/: package, tarball, images, lists of parts, checksums (docs/install.md).
dist:
	.ci/install redis dist
	packaging/dist

# Installs and runs all of it: on clean Debians with systemd, as containers, and from the packages of the clients. It needs root.
dist-test: dist
	.ci/install redis dist-test clients
	clients/package dist/clients
	packaging/checksums
	cargo test --test packaging

# What is missing for a release of the version in Cargo.toml.
release-check:
	packaging/release-check

# Writes everything that is generated and committed; `make test` fails when that would change something.
gen:
	.ci/install clients web
	clients/generate
	web/generate
	$(MAKE) --no-print-directory gen-rust

# The part of it that needs nothing but Rust: the pages of the command line and of SAL, the descriptor, golden bytes.
gen-rust:
	HERO_GENERATE=1 cargo test --test it -- generated_files golden_bytes

# What each registry takes of the clients, in dist/clients; the crate is built from its own files, which takes some minutes.
dist-clients:
	.ci/install clients
	clients/package dist/clients --verify

# The pages as a site with a search, every link of it checked: target/docs/book/index.html.
docs:
	.ci/install mdbook
	docs/site/build

bench:
	.ci/install redis zinit python
	cargo bench --bench budget

# Ours beside BullMQ, asynq, Celery and RQ, in turns on one Redis (benches/peers/README.md):
#   make bench-peers PEERS=bullmq,asynq ROWS=drain ROUNDS=4 SECONDS=0.8
bench-peers:
	.ci/install redis peers
	cargo build --release --bins
	python3 benches/peers $(if $(PEERS),--peers $(PEERS)) $(if $(ROWS),--rows $(ROWS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))
