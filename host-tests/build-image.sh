#!/bin/sh
# Puts the filter into an OCI image as Istio, Envoy Gateway and image volumes want it: from scratch, nothing but
# /plugin.wasm. The same filter makes the same image, with the same digest, which is printed. Needs umoci, and no daemon.
#
#   host-tests/build-image.sh FILTER DIRECTORY TAG
set -eu
filter=$1 directory=$2 tag=$3
created=1970-01-01T00:00:00Z # of the image: a time of day would be another digest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$filter" "$work/plugin.wasm"
tar --format=ustar --mtime="$created" --owner=0 --group=0 --numeric-owner --mode=0644 \
  --directory="$work" --create --file="$work/layer.tar" plugin.wasm

rm -rf "$directory"
umoci init --layout "$directory"
umoci new --image "$directory:$tag"
# Not `umoci insert`: that of Debian 12 leaves the end of the archive away.
umoci raw add-layer --image "$directory:$tag" --history.created "$created" "$work/layer.tar"
# The platform that `docker build` would note: no runtime asks for that of WebAssembly.
umoci config --image "$directory:$tag" --created "$created" --no-history --os linux --architecture amd64 \
  --config.label org.opencontainers.image.title=slo-router --config.label "org.opencontainers.image.version=$tag"
umoci gc --layout "$directory" >/dev/null
sed 's/.*"digest":"\([^"]*\)".*/\1/' "$directory/index.json"
