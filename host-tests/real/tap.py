"""A tap between Envoy and a server: forwards bytes both ways, and keeps them with their times."""

import dataclasses
import socket
import threading
import time

from http_wire import Reply, recorded_reply


@dataclasses.dataclass
class Exchange:
    """A connection's bytes. The shipped configuration opens one for each request."""

    request: bytearray = dataclasses.field(default_factory=bytearray)
    asked_at: float = 0.0
    pieces: list = dataclasses.field(default_factory=list)

    @property
    def request_body(self) -> bytes:
        return bytes(self.request.partition(b"\r\n\r\n")[2])

    @property
    def reply(self) -> Reply:
        return recorded_reply(b"".join(piece for _, piece in self.pieces))

    def ms_until(self, mark: bytes) -> float:
        """From the request's first byte until the server had written this."""
        written = b""
        for at, piece in self.pieces:
            written += piece
            if mark in written:
                return (at - self.asked_at) * 1000
        raise AssertionError(f"the server never wrote {mark!r}")

    @property
    def ms(self) -> float:
        return (self.pieces[-1][0] - self.asked_at) * 1000


class Tap:
    def __init__(self, server_port):
        self.exchanges = []
        self._server = ("127.0.0.1", server_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client):
        exchange = Exchange()

        def asked(piece):
            exchange.asked_at = exchange.asked_at or time.monotonic()
            exchange.request += piece

        with client, socket.create_connection(self._server) as server:
            for side in client, server:
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.exchanges.append(exchange)
            asking = threading.Thread(target=pump, args=(client, server, asked), daemon=True)
            asking.start()
            pump(server, client, lambda piece: exchange.pieces.append((time.monotonic(), piece)))
            asking.join()


def pump(source, sink, note):
    """Notes and forwards until the source ends, then ends the sink's side; a cut on one side cuts the other."""
    try:
        while piece := source.recv(65536):
            note(piece)
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for side in source, sink:
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
