#!/bin/sh
# Checks that a filter imports nothing but the proxy-wasm ABI and the few WASI functions that Envoy offers: anything else
# would fail only when a gateway loads it.
#
#   host-tests/check-imports.sh FILTER.wasm
set -eu
python3 - "$1" <<'PYTHON'
import sys

WASI = {"clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"}


def number(data, at):
    """An unsigned LEB128 number and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def name(data, at):
    size, at = number(data, at)
    return data[at : at + size].decode(), at + size


def imports(data):
    at = 8
    while at < len(data):
        section, (size, at) = data[at], number(data, at + 1)
        if section == 2:
            end = at + size
            count, at = number(data, at)
            for _ in range(count):
                module, at = name(data, at)
                function, at = name(data, at)
                assert data[at] == 0, f"{module}.{function} is no function"
                _, at = number(data, at + 1)
                yield module, function
            assert at == end
        at = at + size if section != 2 else at


found = list(imports(open(sys.argv[1], "rb").read()))
wrong = [
    f"{module}.{function}"
    for module, function in found
    if not (module == "env" and function.startswith("proxy_") or module == "wasi_snapshot_preview1" and function in WASI)
]
if wrong:
    sys.exit(f"{sys.argv[1]} imports what Envoy does not offer: {', '.join(wrong)}")
print(f"{sys.argv[1]} imports {len(found)} functions, all of which Envoy offers")
PYTHON
