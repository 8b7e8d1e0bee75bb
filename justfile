# The steps themselves are in .ci/run, so that CI and people run the same ones.

# List the recipes.
default:
    @just --list

# Formatting, lints, documentation, dependency rules.
check:
    .ci/run check

# Every test that needs nothing but Rust.
test *arguments:
    cargo test --workspace --locked {{ arguments }}

# The storage suite on a PostgreSQL of its own.
postgres:
    .ci/run postgres

# Foreign clients, a foreign identity provider and a real browser.
interop:
    .ci/run interop

# The chart, the images' entry points, compose file and systemd units.
deploy:
    .ci/run deploy

# What CI runs.
test-all:
    .ci/run

# Format everything.
format:
    cargo fmt --all

# Known vulnerabilities; needs cargo-deny and the network.
advisories:
    cargo deny check advisories
