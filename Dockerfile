# The Fairlead daemon in a container. `make image` makes the same image without
# a builder or a registry; examples/sidecar shows how it is run.
#
#   docker build --build-arg VERSION=$(git describe --tags --always) -t fairlead .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /out/usr/local/bin/fairlead ./cmd/fairlead
RUN cd /out \
 && ln usr/local/bin/fairlead usr/local/bin/kamal-proxy \
 && mkdir -p etc/fairlead etc/ssl/certs run/fairlead tmp usr/share var/lib/fairlead \
 && chmod 1777 tmp && chmod 700 var/lib/fairlead && chown 65532:65532 run/fairlead var/lib/fairlead \
 && printf 'root:x:0:0::/:/nologin\nfairlead:x:65532:65532::/var/lib/fairlead:/nologin\n' > etc/passwd \
 && printf 'root:x:0:\nfairlead:x:65532:\n' > etc/group \
 && cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" usr/share/

FROM scratch
COPY --from=build /out /
ENV PATH=/usr/local/bin HOME=/var/lib/fairlead ZONEINFO=/usr/share/zoneinfo.zip
LABEL org.opencontainers.image.title=fairlead org.opencontainers.image.licenses=MIT
# Nobody in particular. Give the container the group of the engine's socket:
# --group-add $(stat -c %g /var/run/docker.sock), or group_add in compose.yml.
USER 65532:65532
WORKDIR /var/lib/fairlead
VOLUME ["/var/lib/fairlead"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s --retries=3 CMD ["fairlead", "health"]
ENTRYPOINT ["fairlead"]
CMD ["watch"]
