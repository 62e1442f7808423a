"""Envoy with the shipped `envoy/standalone.yaml`, but for ports, pods and what a test changes of the filter's JSON."""

import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

import yaml

import http_wire

ROOT = pathlib.Path(__file__).parents[2]
ENVOY = os.environ.get("ENVOY", str(ROOT / "target/venv/bin/envoy"))
POOL = "chat"
DEPLOYMENT = "default/smollm2"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def pod(address, *models):
    return {"address": address, "deployment": DEPLOYMENT, **({"models": list(models)} if models else {})}


def endpoint(port):
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def configured(pods, change, ports):
    shipped = yaml.safe_load((ROOT / "envoy/standalone.yaml").read_text())
    resources = shipped["static_resources"]
    gateway, profiles = resources["listeners"]
    pods_cluster, profiles_cluster = resources["clusters"]

    shipped["admin"] = endpoint(ports["admin"])
    # Histograms are read back sooner than after Envoy's 5 s.
    shipped["stats_flush_interval"] = "0.1s"
    gateway.update(endpoint(ports["gateway"]))
    profiles.update(endpoint(ports["profiles"]))
    served = [{"endpoint": endpoint(int(pod["address"].rpartition(":")[2]))} for pod in pods]
    pods_cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": served}]
    profiles_cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [{"endpoint": endpoint(ports["profiles"])}]}]

    filters = gateway["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    plugin = next(filter for filter in filters if filter["name"] == "slo-router")["typed_config"]["config"]
    filter = json.loads(plugin["configuration"]["value"])
    filter["pods"]["static"] = pods
    change(filter)
    plugin["configuration"]["value"] = json.dumps(filter)
    return shipped


class Metrics:
    """The filter's metrics at one time."""

    SAMPLE = re.compile(r"slo_router_(\w+)\{(.*)\} (\S+)")

    def __init__(self, text):
        found = (self.SAMPLE.search(line) for line in text.splitlines() if not line.startswith("#"))
        labels = re.compile(r'(\w+)="([^"]*)"')
        self.samples = [(it[1], dict(labels.findall(it[2])), float(it[3])) for it in found if it]

    def sum(self, name, **labels):
        return sum(value for at, has, value in self.samples if at == name and labels.items() <= has.items())


class Gateway:
    def __init__(self, pods, change=lambda filter: None):
        self.ports = {name: free_port() for name in ("admin", "gateway", "profiles")}
        self.url = f"http://127.0.0.1:{self.ports['gateway']}"
        self._configuration = configured(pods, change, self.ports)

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        (folder / "envoy.yaml").write_text(yaml.safe_dump(self._configuration))
        self.log = folder / "envoy.log"
        options = ["--log-path", self.log, "--concurrency", "1", "--use-dynamic-base-id"]
        self._envoy = subprocess.Popen(
            [ENVOY, "-c", folder / "envoy.yaml", *options], cwd=ROOT, stdin=subprocess.DEVNULL
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._envoy.terminate()
        self._envoy.wait()
        self._folder.cleanup()

    def _wait_until_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._envoy.poll() is None:
            try:
                if http_wire.get(self.url, "/slo-router/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"Envoy is not ready:\n{self.log.read_text()[-4000:]}")

    def post(self, path, body, **headers):
        """Posts through the gateway; `x_slo_e2e_ms=5` is the header `x-slo-e2e-ms: 5`."""
        return http_wire.post(self.url, path, body, {name.replace("_", "-"): it for name, it in headers.items()})

    def metrics(self):
        """The metrics as they are once the filter's next tick has reported them, a quarter of a second later."""
        time.sleep(0.6)
        return self.metrics_now()

    def metrics_now(self):
        reply = http_wire.get(f"http://127.0.0.1:{self.ports['admin']}", "/stats/prometheus?filter=slo_router")
        return Metrics(reply.body.decode())

    def assert_idle(self, within_s=3.0):
        """Nothing runs and nothing waits, as Envoy's gauges say."""
        deadline = time.monotonic() + within_s
        while True:
            metrics = self.metrics()
            busy = {name: metrics.sum(name) for name in ("in_flight", "waiting")}
            if not any(busy.values()) or time.monotonic() > deadline:
                break
        assert busy == {"in_flight": 0, "waiting": 0}
