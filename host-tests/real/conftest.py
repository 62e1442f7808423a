"""The servers, once for all tests, and a gateway for each file of tests."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

import http_wire
from gateway import DEPLOYMENT, Gateway, free_port, pod
from model_server import SLOTS
from tap import Tap

# LiteLLM goes by the prices that it carries, instead of asking for new ones as it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# A server's model, and what it is started for.
SERVERS = {
    "chat-0": ("smollm2", "generate"),
    "chat-1": ("smollm2", "generate"),
    "embed": ("embed", "embed"),
    "rank": ("rank", "rerank"),
}
# What llama.cpp serves beside the paths that are scheduled by default.
OWN_PATHS = ["/completion", "/completions", "/chat/completions", "/infill", "/embedding", "/v1/rerank"]
SCHEDULED = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"]


def wait_until_up(process, url):
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if http_wire.get(url, "/health").status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"the model server at {url} did not start")


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Ports of the model servers by name."""
    script = pathlib.Path(__file__).parent / "model_server.py"
    ports, processes = {name: free_port() for name in SERVERS}, []
    try:
        for name, (model, use) in SERVERS.items():
            log = (tmp_path_factory.getbasetemp() / f"{name}.log").open("w")
            command = [sys.executable, script, str(ports[name]), model, use]
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log))
        for process, port in zip(processes, ports.values(), strict=True):
            wait_until_up(process, f"http://127.0.0.1:{port}")
        yield ports
    finally:
        for process in processes:
            process.stdin.close()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def taps(servers):
    found = {name: Tap(port) for name, port in servers.items()}
    yield found
    for tap in found.values():
        tap.close()


def as_advised(filter):
    """What the README advises before llama.cpp's servers: their slots, and their own paths."""
    filter["deployments"] = {DEPLOYMENT: {"max_concurrent_requests": SLOTS}}
    filter["request"] = {"paths": SCHEDULED + OWN_PATHS}
    filter["response"] = {"show_pod": True}


@pytest.fixture(scope="module")
def gateway(servers):
    pods = [pod(f"127.0.0.1:{port}", SERVERS[name][0]) for name, port in servers.items()]
    with Gateway(pods, as_advised) as it:
        yield it


@pytest.fixture(scope="module")
def tapped(taps):
    """A gateway whose pods are the servers behind taps."""
    pods = [pod(tap.address, SERVERS[name][0]) for name, tap in taps.items()]
    with Gateway(pods, as_advised) as it:
        yield it


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """After every case nothing runs and nothing waits."""
    yield
    for name in {"gateway", "tapped", "by_output", "by_prompt"} & set(request.fixturenames):
        request.getfixturevalue(name).assert_idle()
