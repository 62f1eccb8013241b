# `make` alone lists what can be made. The scripts behind the targets can be called by themselves.

.DEFAULT_GOAL := help
.PHONY: help static static-init demo test bench check engine-stop clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

static: ## target/static/pydexec, the static binary
	@build/static

static-init: ## target/static/pydexec-init: without requirements, checks, templates, entrypoint file
	@build/static init

demo: ## a real application in a real container, with pydexec as PID 1
	@docker/demo/run

test: ## what the tests need, and all of the tests
	@tests/prepare cargo test --locked

check: ## format, lints of every build, documentation, and where `unsafe` may stand
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --features init --all-targets -- -D warnings
	for part in '' requirements checks templates; do cargo clippy --locked --no-default-features --features "$$part" -- -D warnings || exit; done
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --no-default-features --features init
	build/unsafe-check

engine-stop: ## the Docker engine, if it was started from here
	@docker/engine stop

clean: engine-stop ## all that was built; Docker's images stay
	rm -rf target

bench: ## the races against tini, dumb-init, gosu and the others: figures, table, picture
	@benches/prepare cargo bench --locked --bench peers
