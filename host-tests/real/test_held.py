"""More requests at once than the servers have slots: all that were held are answered in full."""

import concurrent.futures
import itertools
import socket
import urllib.parse

import pytest

import http_wire
from calls import GENERATING, generating
from model_server import SLOTS

CLIENTS = 12
ROUNDS = 4
CHAT_SERVERS = 2
END = {
    "responses": b"response.completed",
    "messages": b"message_stop",
    "own completion": b'"stop":true',
    "own completions": b'"stop":true',
}


def answered(gateway, name, stream):
    reply = gateway.post(*generating(name, tokens=6, stream=stream))
    if reply.status == 200 and stream:
        assert END.get(name, b"data: [DONE]") in reply.body
    elif reply.status == 200:
        reply.json()
    return reply


def burst(gateway, kinds):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda kind: answered(gateway, *kind), kinds))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_bursts_are_answered_without_one_503(gateway, stream):
    kinds = itertools.islice(itertools.cycle((name, stream) for name in GENERATING), CLIENTS * ROUNDS)
    replies = burst(gateway, kinds)
    assert [reply.status for reply in replies] == [200] * CLIENTS * ROUNDS
    assert len({reply.headers["x-slo-router-pod"] for reply in replies}) == CHAT_SERVERS
    # What found no slot free was held here, not in a server.
    held = sum(reply.waited_ms > 1 for reply in replies)
    assert held >= CLIENTS - CHAT_SERVERS * SLOTS


def test_one_client_after_another_on_the_slots_that_close(gateway):
    """Each answer's end lets the next request go, to the server that is just closing that answer's connection."""
    kinds = itertools.islice(itertools.cycle([("completions", True), ("own completion", True)]), CLIENTS * ROUNDS)
    assert {reply.status for reply in burst(gateway, kinds)} == {200}


def leave(gateway, body):
    """Posts and closes the connection as soon as a byte of the answer is there, or a half second has passed."""
    address, content = urllib.parse.urlsplit(gateway.url), http_wire.encoded(body)
    with socket.create_connection((address.hostname, address.port), timeout=0.5) as connection:
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content)
        try:
            connection.recv(1)
        except TimeoutError:
            pass


def test_clients_that_leave_free_their_slots(gateway):
    """Some leave while they are answered, some while they wait."""
    before = gateway.metrics()
    _, body = generating("completions", tokens=400, stream=True)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda _: leave(gateway, body), range(CLIENTS)))
    gateway.assert_idle()
    after = gateway.metrics()
    assert after.sum("pods_failing") == 0
    assert after.sum("requests_total", outcome="abandoned") > before.sum("requests_total", outcome="abandoned")
    assert answered(gateway, "chat", True).status == 200


def test_no_pod_was_taken_out(gateway):
    metrics = gateway.metrics()
    assert metrics.sum("refused_total") == metrics.sum("requests_total", outcome="failed") == 0
