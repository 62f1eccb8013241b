# `make` alone lists what can be made. The scripts behind the targets can be called by themselves.

.DEFAULT_GOAL := help
.PHONY: help static demo test bench check engine-stop clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

static: ## target/static/pydexec, the static binary
	@build/static

demo: ## a real application in a real container, with pydexec as PID 1
	@docker/demo/run

test: ## what the tests need, and all of the tests
	@tests/prepare cargo test --locked

check: ## format, lints, documentation, and where `unsafe` may stand
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	build/unsafe-check

engine-stop: ## the Docker engine, if it was started from here
	@docker/engine stop

clean: engine-stop ## all that was built; Docker's images stay
	rm -rf target

bench: ## the races against tini, dumb-init, gosu and the others: figures, table, picture
	@benches/prepare cargo bench --locked --bench peers
