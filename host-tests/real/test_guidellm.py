"""guidellm as the load: more clients than slots, and each request answered."""

import json
import os
import subprocess
import sys

import pytest

from conftest import as_advised
from gateway import Gateway, pod

REQUESTS = 36
CLIENTS = 9
TOKENS = 8


@pytest.fixture(scope="module")
def gateway(servers):
    """The chat servers alone: guidellm looks for its model in `/v1/models`, which any server of the pool answers."""
    with Gateway([pod(f"127.0.0.1:{servers[name]}") for name in ("chat-0", "chat-1")], as_advised) as it:
        yield it


@pytest.mark.parametrize(
    "load",
    [["--rate-type", "synchronous"], ["--rate-type", "concurrent", "--rate", str(CLIENTS)]],
    ids=["one by one", "at once"],
)
def test_a_run(gateway, tmp_path, load):
    prompts, report = tmp_path / "prompts.jsonl", tmp_path / "report.json"
    texts = ["Name three colours.", "Tell a story about the sea.", "What is rain?", "Say hello."]
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts * (REQUESTS // len(texts))))
    before = gateway.metrics()
    command = [
        sys.executable,
        "-m",
        "guidellm",
        "benchmark",
        "run",
        "--target",
        gateway.url,
        "--model",
        "smollm2",
        *load,
    ]
    command += ["--data", prompts, "--data-args", '{"prompt_column": "prompt"}', "--max-requests", str(REQUESTS)]
    command += [
        "--backend-args",
        json.dumps({"max_output_tokens": TOKENS}),
        "--output-path",
        report,
        "--disable-progress",
    ]
    # Nothing is asked of a hub of models.
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    subprocess.run(command, check=True, env=offline, stdout=subprocess.DEVNULL, timeout=300)
    (benchmark,) = json.loads(report.read_text())["benchmarks"]
    made = benchmark["run_stats"]["requests_made"]
    assert {name: made[name] for name in ("successful", "errored", "incomplete")} == {
        "successful": REQUESTS,
        "errored": 0,
        "incomplete": 0,
    }
    after = gateway.metrics()
    good = [sum(it.sum("requests_total", outcome=outcome) for outcome in ("kept", "missed")) for it in (before, after)]
    # guidellm asks once before, whether the server answers.
    assert good[1] - good[0] >= REQUESTS
    assert after.sum("refused_total") == after.sum("requests_total", outcome="failed") == 0
