"""First tokens and ends, as the filter timed them, against what the server wrote when, and what it says itself."""

import pytest

from calls import GENERATING, generating

TOKENS = 24
# Envoy's histograms keep two digits; the rest is the way from the server to the filter on a busy machine.
NEAR = {"rel": 0.1, "abs": 50.0}
# Nothing comes before the server has it, by its own clock.
NOT_BEFORE = 0.9


def timed(gateway, taps, name, **more):
    """Streams once: the exchange as the tap saw it, the reply, and what the filter's histograms grew by."""
    before = gateway.metrics()
    reply = gateway.post(*generating(name, TOKENS, stream=True, **more))
    after = gateway.metrics()
    exchange = max((it for tap in taps.values() for it in tap.exchanges), key=lambda it: it.asked_at)

    def grown(metric):
        assert after.sum(f"{metric}_count") - before.sum(f"{metric}_count") == 1
        return after.sum(f"{metric}_sum") - before.sum(f"{metric}_sum")

    return exchange, reply, grown


@pytest.mark.parametrize("name", GENERATING)
def test_the_first_token_and_the_end_are_the_servers(tapped, taps, name):
    exchange, _, grown = timed(tapped, taps, name)
    first_output = GENERATING[name][3]
    assert grown("ttft_ms") == pytest.approx(exchange.ms_until(first_output), **NEAR)
    assert grown("e2e_ms") == pytest.approx(exchange.ms, **NEAR)


@pytest.mark.parametrize("name", ["chat", "completions", "own completion"])
def test_nothing_is_timed_before_the_server_says_that_it_had_it(tapped, taps, name):
    _, reply, grown = timed(tapped, taps, name)
    timings = reply.events()[-1]["timings"]
    assert grown("ttft_ms") > NOT_BEFORE * timings["prompt_ms"]
    assert grown("e2e_ms") > NOT_BEFORE * (timings["prompt_ms"] + timings["predicted_ms"])


@pytest.mark.parametrize("name", ["chat", "completions", "own completion"])
def test_pings_and_progress_are_no_first_token(tapped, taps, name):
    prompt = "Name three colours. " * 100
    more = {"messages": [{"role": "user", "content": prompt}]} if name == "chat" else {"prompt": prompt}
    exchange, reply, grown = timed(tapped, taps, name, return_progress=True, **more)
    prompt_ms = reply.events()[-1]["timings"]["prompt_ms"]
    assert grown("ttft_ms") > NOT_BEFORE * prompt_ms
    assert exchange.ms_until(b"\n\n") < 0.2 * prompt_ms
    # The server pings when it has said nothing for a second; a fast machine has read the prompt by then.
    if prompt_ms > 2000:
        assert exchange.ms_until(b"\n:\n") < 0.9 * prompt_ms
