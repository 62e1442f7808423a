"""Usage, first tokens and tokens, as the filter read them, against what the server says."""

import pytest

from calls import FORMS, GENERATING, generating
from gateway import DEPLOYMENT, Gateway, pod

TOKENS = 24
MS_PER_TOKEN = 10
# Envoy's histograms keep two digits; the rest is the way from the server to the filter on a busy machine.
NEAR = {"rel": 0.1, "abs": 15.0}


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
def test_the_times_are_those_that_the_server_took_itself(tapped, taps, name):
    _, reply, grown = timed(tapped, taps, name)
    timings = reply.events()[-1]["timings"]
    # The server counts the first token to the prompt, and its last events are without a token.
    near = {"rel": 0.2, "abs": 40.0}
    assert grown("ttft_ms") == pytest.approx(timings["prompt_ms"], **near)
    assert grown("e2e_ms") == pytest.approx(timings["prompt_ms"] + timings["predicted_ms"], **near)


@pytest.mark.parametrize("name", ["chat", "completions", "own completion"])
def test_pings_and_progress_are_no_first_token(tapped, taps, name):
    prompt = "Name three colours. " * 100
    more = {"messages": [{"role": "user", "content": prompt}]} if name == "chat" else {"prompt": prompt}
    exchange, reply, grown = timed(tapped, taps, name, return_progress=True, **more)
    prompt_ms = reply.events()[-1]["timings"]["prompt_ms"]
    assert grown("ttft_ms") == pytest.approx(prompt_ms, **NEAR)
    assert exchange.ms_until(b"\n\n") < 0.2 * prompt_ms
    # The server pings when it has said nothing for a second; a fast machine has read the prompt by then.
    if prompt_ms > 2000:
        assert exchange.ms_until(b"\n:\n") < 0.9 * prompt_ms


# === how long answers are ===


def by_length(filter):
    """A profile of 10 ms for each output token, by which what is late from the start is refused."""
    outputs, inputs = [2**power for power in range(15)], [2**power for power in range(14)]
    profile = {
        "gpu": "cpu",
        "slos": {"e2e": 1e5},
        "indexes": [outputs, inputs],
        "tputs": [[1.0] * len(inputs)] * len(outputs),
        "e2e": [[tokens * MS_PER_TOKEN / 1000] * len(inputs) for tokens in outputs],
    }
    filter["policy"] = "slo"
    filter["queue"] = {"late": "reject"}
    filter["profiles"] = {"correct": False, "inline": [{"deployment": DEPLOYMENT, "profile": profile}]}
    filter["request"] = {"paths": [path for path, *_ in GENERATING.values()]}


@pytest.fixture(scope="module")
def judging(servers):
    with Gateway([pod(f"127.0.0.1:{servers['chat-0']}")], by_length) as it:
        yield it
        it.assert_idle()


def predicted(judging, name, model):
    """The tokens that the filter predicts: the least objective, in units of the profile's 10 ms, that is not late."""
    path, body, limit, _ = GENERATING[name]
    # The server refuses this before it generates; nothing is learned from it.
    body = {"model": model, **body, "temperature": "hot"}

    def in_time(tokens):
        # Half a token more than these take, for the time that passes here.
        status = judging.post(path, body, x_slo_e2e_ms=tokens * MS_PER_TOKEN + MS_PER_TOKEN // 2).status
        assert status in (400, 429)
        return status == 400

    low, high = 0, 1024
    assert in_time(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if in_time(middle) else (middle, high)
    return high


def answer_tokens(name, reply, stream):
    """The output tokens that the server told, where it told them."""
    told = reply.events()[-1] if stream else reply.json()
    told = told.get("response", told)
    if name == "messages" and stream:
        told = next(it for it in reply.events() if it["type"] == "message_delta")
    usage = told.get("usage", {})
    own = told.get("tokens_predicted") or told.get("timings", {}).get("predicted_n")
    return usage.get("completion_tokens") or usage.get("output_tokens") or own


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", GENERATING)
def test_the_tokens_are_those_that_the_server_told(judging, name, stream):
    # A name of its own has a history of its own.
    model = f"{name}-{stream}".replace(" ", "-")
    for _ in range(2):
        told = answer_tokens(name, judging.post(*generating(name, TOKENS, model=model, stream=stream)), stream)
        # Some texts end before their limit.
        assert TOKENS // 2 < told <= TOKENS
    assert predicted(judging, name, model) == told


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", ["two choices", "two prompts", "own two prompts"])
def test_the_tokens_of_several_answers_are_those_of_one(judging, name, stream):
    """llama.cpp tells the tokens of one of the answers, whichever ended last, as if they were all."""
    api, more, _ = FORMS[name]
    model = f"{name}-{stream}".replace(" ", "-")
    reply = judging.post(*generating(api, TOKENS, model=model, stream=stream, ignore_eos=True, **more))
    assert reply.status == 200
    assert predicted(judging, api, model) == TOKENS
