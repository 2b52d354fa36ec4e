# The verbs of this project. `make demo` and `make test` install what they need.
.PHONY: demo run test chaos lint gen bench

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

test: lint
	.ci/install redis zinit grpcurl clients
	clients/check
	cargo test

# The test under faults, for half an hour; HERO_CHAOS_SECONDS and HERO_CHAOS_SEED say otherwise (docs/testing.md).
chaos:
	.ci/install redis zinit python
	HERO_CHAOS_SECONDS=$${HERO_CHAOS_SECONDS:-1800} cargo test --test chaos -- --nocapture

lint:
	.ci/install rust-components
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	# The client as those get it who leave the service out: by itself, and in the hands of a program.
	cargo clippy --no-default-features --features client --lib -- -D warnings
	cargo clippy --no-default-features --features client --example conformance_runner -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Writes everything that is generated and committed; `make test` fails when that would change something.
gen:
	.ci/install clients
	clients/generate
	HERO_GENERATE=1 cargo test --test it -- generated_files golden_bytes

bench:
	.ci/install redis zinit python
	cargo bench --bench budget
