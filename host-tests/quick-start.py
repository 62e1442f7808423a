"""Does what the quick start says: runs its commands, all of them and as they are, before two model servers of its own.

    python3 host-tests/quick-start.py

The servers answer at once with a fixed text. Checks that one of them answered the page's request, that the filter placed
it, that it stands in the access log, that a metric counts it with labels, and that the configurations which the page and
README.md show are good. The page's ports (8001, 8002, 8080, 9901) must be free.
"""

import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/quick-start.md"
SERVERS, PORTS = (8001, 8002), (8001, 8002, 8080, 9901)
HELLO = "Hello from a server of the test."
LONGEST_S = 300


class ModelServer(http.server.BaseHTTPRequestHandler):
    """Answers each chat request with the same text."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": HELLO}
        answer = json.dumps({
            "id": "1", "object": "chat.completion", "created": 0, "model": "llama",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20},
        }).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Says nothing."""


def blocks(page, language):
    """Returns the blocks of code of a page that are in this language, without the indent of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def run(commands):
    """Runs commands in one shell, as someone does who pastes them; ends what they leave running. Returns what they print."""
    shell = subprocess.Popen(
        ["bash", "-e"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )
    watch = threading.Timer(LONGEST_S, lambda: os.killpg(shell.pid, signal.SIGKILL))
    watch.start()
    try:
        output, _ = shell.communicate(commands)
    finally:
        watch.cancel()
        try:
            os.killpg(shell.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    return shell.returncode, output


def check(what, holds, output):
    print(f"{'ok' if holds else 'FAILED'}: {what}")
    if not holds:
        log = ROOT / "target/envoy.log"
        sys.exit(f"{output}\n{log.read_text()[-3000:] if log.exists() else ''}")


def main():
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        sys.exit(f"the ports {taken} of the quick start are taken")
    for port in SERVERS:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), ModelServer)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    status, output = run("".join(blocks(PAGE, "sh")))
    check("the commands of docs/quick-start.md run", status == 0, output)
    check("a model server answers", HELLO in output and re.search(r"^HTTP/1.1 200 OK", output, re.MULTILINE), output)
    check("the filter placed the request", re.search(r"^x-slo-router-policy: \S+", output, re.MULTILINE), output)
    pods = "|".join(f"127.0.0.1:{port}" for port in SERVERS)
    logged = rf"POST /v1/chat/completions 200 - \d+ms pod=({pods}) policy=[a-z-]+ wait=[\d.]+ms"
    check("it stands in the access log", re.search(logged, output), output)
    metric = r'^slo_router_requests_total\{(?=.*pool="chat")(?=.*outcome="\w+").*\} 1$'
    check("a metric counts it, with labels", re.search(metric, output, re.MULTILINE), output)

    [shown] = blocks(PAGE, "json")
    written = (ROOT / "envoy/quick-start.yaml").read_text()
    check("the page shows the gateway's configuration", textwrap.indent(shown, " " * 20) in written, shown)
    for page in PAGE, ROOT / "README.md":
        for block in blocks(page, "json"):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(block)
                file.flush()
                status, output = run(f"cargo run --quiet --bin slo-router -- check {file.name}\n")
            check(f"the configuration of {page.relative_to(ROOT)} is good", status == 0, output)


main()
