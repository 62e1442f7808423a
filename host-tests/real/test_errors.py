"""What the server refuses is passed as it is, counts as the client's error, and leaves its pod in service."""

import pytest

from calls import GENERATING, generating

HOT = {"temperature": "hot"}
REFUSED = {
    **{
        f"{name}: a temperature that is a text": (400, path, {**body, **HOT})
        for name, (path, body, *_) in GENERATING.items()
    },
    "completions: no prompt": (400, "/v1/completions", {}),
    "completions: a prompt longer than the context": (400, "/v1/completions", {"prompt": "word " * 4000}),
    "responses: no input": (400, "/v1/responses", {}),
    "embeddings of a chat model": (501, "/v1/embeddings", {"input": "x"}),
    "own embedding of a chat model": (501, "/embedding", {"content": "x"}),
    "rerank of a chat model": (501, "/v1/rerank", {"query": "x", "documents": ["y"]}),
    "infill without its tokens": (501, "/infill", {"input_prefix": "def f", "input_suffix": "return", "n_predict": 4}),
}
# What llama.cpp calls its own error, and which is the client's.
CALLED_ITS_OWN = {
    "an image for a model of text": {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}
        ]
    },
    "a message without its role": {"messages": [{"content": "x"}]},
}


def last(taps):
    return max((it for tap in taps.values() for it in tap.exchanges), key=lambda it: it.asked_at)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal(tapped, taps, name, stream):
    status, path, body = REFUSED[name]
    before = tapped.metrics()
    # More of them than make a pod fail.
    for _ in range(4):
        reply = tapped.post(path, {"model": "smollm2", **body, "stream": stream})
        assert (reply.status, reply.body) == (status, last(taps).reply.body)
        assert reply.json()["error"]["code"] == status
    after = tapped.metrics()
    counted = [it.sum("requests_total", outcome="client-error") for it in (before, after)]
    assert counted[1] - counted[0] == 4
    assert after.sum("pods_failing") == 0


def test_a_path_that_the_server_lacks(tapped, taps):
    reply = tapped.post("/v1/nothing", {"model": "smollm2"})
    assert (reply.status, reply.body) == (404, last(taps).reply.body)
    assert tapped.metrics().sum("pods_failing") == 0


def test_both_chat_servers_serve_afterwards(tapped):
    pods = {
        tapped.post(*generating(name, tokens=2)).headers["x-slo-router-pod"] for _ in range(3) for name in GENERATING
    }
    assert len(pods) == 2


@pytest.mark.parametrize("name", CALLED_ITS_OWN)
def test_a_500_is_passed_and_the_rest_of_the_pool_serves(tapped, taps, name):
    """Nothing tells these from a server's fault, so the pod is out for a while; half of the pool stays in."""
    for _ in range(4):
        reply = tapped.post("/v1/chat/completions", {"model": "smollm2", **CALLED_ITS_OWN[name]})
        assert (reply.status, reply.body) == (500, last(taps).reply.body)
        assert tapped.post(*generating("chat", tokens=2)).status == 200
