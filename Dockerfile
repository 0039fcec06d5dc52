# syntax=docker/dockerfile:1
# The build and the run are the same commands that test/container/run.sh
# executes without a container engine; keep the two alike.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -ldflags "-s -w" -o /out/lakeward .

# The version is that of internal/version, as a test checks. Pass the commit:
# docker build --build-arg REVISION="$(git rev-parse HEAD)" .
# glibc and libstdc++, which DuckDB's library needs; no shell beyond that.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.2.0-dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lakeward" \
      org.opencontainers.image.description="A security data lake in one binary" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/lakeward /usr/bin/lakeward
COPY pipelines.d /etc/lakeward/pipelines.d
COPY LICENSE NOTICE THIRD-PARTY-LICENSES /usr/share/doc/lakeward/
ENV LAKEWARD_DATA_DIR=/data \
    LAKEWARD_PIPELINES_DIR=/etc/lakeward/pipelines.d \
    LAKEWARD_NATS_EMBEDDED_HOST=127.0.0.1 \
    LAKEWARD_HTTP_LISTEN=127.0.0.1:8321
VOLUME /data
EXPOSE 4222 8321
USER nonroot
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/usr/bin/lakeward", "health"]
ENTRYPOINT ["/usr/bin/lakeward"]
CMD ["serve"]
