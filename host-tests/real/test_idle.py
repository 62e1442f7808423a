"""On an idle pool nothing waits: each request is placed in the callback in which its body is complete."""

import pytest

from calls import GENERATING, JUDGING, generating

MOST_MS = 1.0
ROUNDS = 3


def assert_placed_at_once(reply):
    assert reply.status == 200
    assert reply.waited_ms <= MOST_MS


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("name", GENERATING)
def test_generation(gateway, name, stream):
    for _ in range(ROUNDS):
        assert_placed_at_once(gateway.post(*generating(name, tokens=4, stream=stream)))


@pytest.mark.parametrize("name", JUDGING)
def test_what_has_no_output(gateway, name):
    for _ in range(ROUNDS):
        assert_placed_at_once(gateway.post(*JUDGING[name]))


@pytest.mark.parametrize(
    "objective", [{"x_slo_e2e_ms": "1"}, {"x_slo_ttft_ms": "1", "x_slo_tpot_ms": "1"}, {"x_slo_e2e_ms": "60000"}]
)
def test_whatever_the_objective(gateway, objective):
    for tokens in (1, 16):
        assert_placed_at_once(gateway.post(*generating("chat", tokens), **objective))


def test_the_histogram_says_so_too(gateway):
    metrics = gateway.metrics()
    placed = metrics.sum("wait_ms_bucket", le="+Inf")
    assert metrics.sum("wait_ms_bucket", le="1") == placed > 0
