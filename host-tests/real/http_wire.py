"""HTTP as bytes: what a client sends and gets, without a library that hides it."""

import dataclasses
import http.client
import io
import json
import socket
import urllib.parse


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def waited_ms(self):
        return float(self.headers["x-slo-router-wait-ms"])

    def json(self):
        return json.loads(self.body)

    def events(self):
        """The data of a stream's events, without the mark of its end."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]


class _Recorded:
    """Bytes in place of a socket, as `http.client` reads them."""

    def __init__(self, content):
        self.content = content

    def makefile(self, _mode):
        return io.BytesIO(self.content)


def reply(response):
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


def recorded_reply(content):
    response = http.client.HTTPResponse(_Recorded(content))
    response.begin()
    return reply(response)


def encoded(body):
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def post(base, path, body, headers=(), timeout=120):
    """Posts a body; head and body leave in one piece, so that a busy machine puts no time between them."""
    body, address = encoded(body), urllib.parse.urlsplit(base)
    fields = {"host": address.netloc, "content-type": "application/json", "content-length": len(body), **dict(headers)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection((address.hostname, address.port), timeout) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return reply(response)


def get(base, path, timeout=10):
    address = urllib.parse.urlsplit(base)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
    try:
        connection.request("GET", path)
        return reply(connection.getresponse())
    finally:
        connection.close()
