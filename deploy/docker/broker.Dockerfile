# syntax=docker/dockerfile:1
# The image of the broker. From the root of the repository:
#
#   docker build -f deploy/docker/broker.Dockerfile \
#     --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" -t mcp-token-broker .
#
# deploy/docker/README.md says how to pin the two base images by digest, and what makes it reproducible.

ARG BUILDER=rust:1.95.0-bookworm
# glibc, the CA certificates and nothing else: no shell, no package manager. Of the same Debian as the
# builder, whose glibc the program is linked to.
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
ARG SOURCE_DATE_EPOCH=0
# The image's own toolchain, not the one that rustup would fetch for rust-toolchain.toml; and no path of
# the building machine in the program.
ENV RUSTUP_TOOLCHAIN=${RUST_VERSION} \
    RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo" \
    CFLAGS="-ffile-prefix-map=/src=. -ffile-prefix-map=/usr/local/cargo=cargo" \
    CARGO_INCREMENTAL=0
# The empty folder is for an SQLite database, where no volume is mounted.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=broker-target,sharing=locked \
    cargo build --release --locked --package broker --bin broker \
    && install -D target/release/broker /out/usr/local/bin/broker \
    && install -d /out/var/lib/mcp-token-broker \
    && find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${RUNTIME}
COPY --from=build --chown=65532:65532 /out/var/lib/mcp-token-broker /var/lib/mcp-token-broker
COPY --from=build /out/usr/local/bin/broker /usr/local/bin/broker
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /var/lib/mcp-token-broker
EXPOSE 4280 4281
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/broker", "health"]
ENTRYPOINT ["/usr/local/bin/broker"]
CMD ["serve"]
