# syntax=docker/dockerfile:1
# The image of the gateway. From the root of the repository:
#
#   docker build -f deploy/docker/mcp-gateway.Dockerfile \
#     --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" -t mcp-gateway .
#
# See broker.Dockerfile, which is the same but for the program, and README.md beside it.

ARG BUILDER=rust:1.95.0-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
ARG SOURCE_DATE_EPOCH=0
ENV RUSTUP_TOOLCHAIN=${RUST_VERSION} \
    RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo" \
    CFLAGS="-ffile-prefix-map=/src=. -ffile-prefix-map=/usr/local/cargo=cargo" \
    CARGO_INCREMENTAL=0
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=gateway-target,sharing=locked \
    cargo build --release --locked --package mcp-gateway --bin mcp-gateway \
    && install -D target/release/mcp-gateway /out/usr/local/bin/mcp-gateway \
    && find /out -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${RUNTIME}
COPY --from=build /out/usr/local/bin/mcp-gateway /usr/local/bin/mcp-gateway
USER 65532:65532
EXPOSE 4282
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/mcp-gateway", "health"]
ENTRYPOINT ["/usr/local/bin/mcp-gateway"]
CMD ["serve"]
