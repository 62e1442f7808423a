"""Usage, as the filter read it and learned from it, against what the server says."""

import pytest

from calls import FORMS, GENERATING, generating
from gateway import DEPLOYMENT, Gateway, pod

TOKENS = 24
MS_PER_TOKEN = 10


# Half a token more than these take, for the time that passes in the filter.
SPARE_MS = MS_PER_TOKEN // 2
OUTPUTS, INPUTS = [2**power for power in range(15)], [2**power for power in range(14)]


def judged_by(e2e_s):
    """A profile in which a request of so many tokens out and in takes so long; what is late by it is refused at once."""
    profile = {
        "gpu": "cpu",
        "slos": {"e2e": 1e5},
        "indexes": [OUTPUTS, INPUTS],
        "tputs": [[1.0] * len(INPUTS)] * len(OUTPUTS),
        "e2e": [[e2e_s(out, into) for into in INPUTS] for out in OUTPUTS],
    }

    def change(filter):
        filter["policy"] = "slo"
        filter["queue"] = {"late": "reject"}
        filter["profiles"] = {"correct": False, "inline": [{"deployment": DEPLOYMENT, "profile": profile}]}
        filter["request"] = {"paths": [path for path, *_ in GENERATING.values()]}

    return change


@pytest.fixture(scope="module")
def by_output(servers):
    change = judged_by(lambda out, into: out * MS_PER_TOKEN / 1000)
    with Gateway([pod(f"127.0.0.1:{servers['chat-0']}")], change) as it:
        yield it


@pytest.fixture(scope="module")
def by_prompt(servers):
    change = judged_by(lambda out, into: into * MS_PER_TOKEN / 1000)
    with Gateway([pod(f"127.0.0.1:{servers['chat-0']}")], change) as it:
        yield it


def predicted(gateway, name, model, **more):
    """The tokens that the filter predicts: the least objective, in units of the profile's 10 ms, that is not late."""
    path, body, *_ = GENERATING[name]
    # The server refuses this before it generates; nothing is learned from it.
    body = {"model": model, **body, **more, "temperature": "hot"}

    def in_time(tokens):
        status = gateway.post(path, body, x_slo_e2e_ms=tokens * MS_PER_TOKEN + SPARE_MS).status
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
def test_the_tokens_are_those_that_the_server_told(by_output, name, stream):
    # A name of its own has a history of its own.
    model = f"{name}-{stream}".replace(" ", "-")
    for _ in range(2):
        told = answer_tokens(name, by_output.post(*generating(name, TOKENS, model=model, stream=stream)), stream)
        # Some texts end before their limit.
        assert TOKENS // 2 < told <= TOKENS
    assert predicted(by_output, name, model) == told


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", ["two choices", "two prompts", "own two prompts"])
def test_the_tokens_of_several_answers_are_those_of_one(by_output, name, stream):
    """llama.cpp tells the tokens of one of the answers, whichever ended last, as if they were all."""
    api, more, _ = FORMS[name]
    model = f"{name}-{stream}".replace(" ", "-")
    reply = by_output.post(*generating(api, TOKENS, model=model, stream=stream, ignore_eos=True, **more))
    assert reply.status == 200
    assert predicted(by_output, api, model) == TOKENS


@pytest.mark.parametrize("name", ["completions", "own completion"])
def test_a_prompt_is_as_long_as_the_server_told_whatever_its_cache_had(by_prompt, name):
    """Of this text a token has about one character, a quarter of what the filter takes it to have before it knows."""
    prompt = {"prompt": "7 1 9 4 " * 100}
    model = f"digits-{name}".replace(" ", "-")
    # As many as outvote the ratio of the start.
    for _ in range(40):
        reply = by_prompt.post(*generating(name, 1, model=model, cache_prompt=True, **prompt))
        timings = reply.json()["timings"]
    told = timings["prompt_n"] + timings["cache_n"]
    assert timings["cache_n"] > told * 0.9
    # The profile has a column for each power of two.
    assert told / 2 < predicted(by_prompt, name, model, **prompt) < told * 2
    assert predicted(by_prompt, name, "unseen", **prompt) < told / 2
