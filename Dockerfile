# Builds frazil and leaves the binary with what it links: OpenSSL and zlib.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential pkg-config libssl-dev zlib1g-dev
WORKDIR /frazil
COPY . .
RUN cargo build --locked --profile dist --bin frazil

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --create-home --home-dir /var/lib/frazil frazil
COPY --from=build /frazil/target/dist/frazil /usr/local/bin/frazil
USER frazil
WORKDIR /var/lib/frazil
ENTRYPOINT ["frazil"]
CMD ["serve", "--config", "/etc/frazil/frazil.toml"]
