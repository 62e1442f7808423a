"""All of the server's APIs: requests reach the server, and answers the client, byte for byte."""

import re

import pytest

import http_wire
from calls import FORMS, GENERATING, JUDGING, PASSED, generating

# Text that differs from answer to answer of the server itself; ":" keeps connections alive while it computes.
VARYING = re.compile(
    rb'"(?:id|item_id)":"[^"]*"|"(?:created|created_at|completed_at|id_slot|time_ms)":-?\d+|"timings":\{[^}]*\}|(?m:^:\n\n)'
)


def passes(tapped, taps, servers, path, body, steady=True):
    """Posts through the gateway, and compares with what the server's tap saw, and with what a server says directly."""
    seen = {name: len(tap.exchanges) for name, tap in taps.items()}
    sent = http_wire.encoded(body)
    reply = tapped.post(path, sent)
    [(server, exchange)] = [(at, it) for at, tap in taps.items() for it in tap.exchanges[seen[at] :]]
    assert exchange.request_body == sent
    assert (reply.status, reply.body) == (exchange.reply.status, exchange.reply.body)
    assert reply.headers["content-type"] == exchange.reply.headers["content-type"]
    if steady:
        direct = http_wire.post(f"http://127.0.0.1:{servers[server]}", path, sent)
        assert VARYING.sub(b"", reply.body) == VARYING.sub(b"", direct.body)
    assert reply.status == 200
    return reply


@pytest.mark.parametrize("name", GENERATING)
def test_a_plain_answer(tapped, taps, servers, name):
    reply = passes(tapped, taps, servers, *generating(name))
    assert reply.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("name", GENERATING)
def test_a_stream(tapped, taps, servers, name):
    reply = passes(tapped, taps, servers, *generating(name, stream=True))
    assert reply.headers["content-type"] == "text/event-stream"


def test_a_stream_with_usage(tapped, taps, servers):
    body = generating("chat", stream=True, stream_options={"include_usage": True})
    reply = passes(tapped, taps, servers, *body)
    assert reply.events()[-1]["usage"]["completion_tokens"] == 12


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", FORMS)
def test_other_forms_of_answers(tapped, taps, servers, name, stream):
    api, more, ordered = FORMS[name]
    passes(tapped, taps, servers, *generating(api, stream=stream, **more), steady=ordered)


@pytest.mark.parametrize("name", JUDGING)
def test_what_has_no_output(tapped, taps, servers, name):
    passes(tapped, taps, servers, *JUDGING[name])


@pytest.mark.parametrize("name", PASSED)
def test_what_is_passed(tapped, taps, servers, name):
    before = tapped.metrics().sum("passed_total")
    passes(tapped, taps, servers, *PASSED[name])
    assert tapped.metrics().sum("passed_total") == before + 1


def test_every_answer_counts_as_one(tapped):
    """Nothing that a healthy server says is read as a failure."""
    metrics = tapped.metrics()
    answered = metrics.sum("requests_total")
    good = sum(metrics.sum("requests_total", outcome=it) for it in ("kept", "missed", "no-objective"))
    assert answered == good > 0
    assert metrics.sum("pods_failing") == 0
