"""A proxy before the emulator's REST address: it answers in its place or otherwise, loses an answer, or waits."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROPPED = {"connection", "transfer-encoding", "content-length", "host", "accept-encoding"}


@dataclass(frozen=True)
class Answer:
    """What the service says instead of doing anything."""

    status: int
    reason: str
    message: str

    @property
    def body(self) -> bytes:
        error = f'{{"reason": "{self.reason}", "message": "{self.message}"}}'
        return f'{{"error": {{"code": {self.status}, "message": "{self.message}", "errors": [{error}]}}}}'.encode()


BUSY = Answer(503, "backendError", "The service is currently unavailable.")
RATE = Answer(429, "rateLimitExceeded", "Exceeded rate limits: too many api requests per user per method.")
LOST = "lost"
"""The request is carried out, and its answer never arrives."""

Fault = Answer | str | None


@dataclass
class Proxy:
    """Every request is shown to `judge`, which may name a fault; by default none."""

    target: str
    """host:port."""
    judge: Callable[[str, str, bytes], Fault] = lambda method, path, body: None
    revise: Callable[[str, bytes, bytes], bytes] = lambda path, body, content: content
    """What becomes of an answer: path and body of the request, content of the answer."""
    seen: list[tuple[str, str, Fault]] = field(default_factory=list)
    """Method, path and fault of each request."""
    bodies: list[bytes] = field(default_factory=list)
    """Bodies of the requests for jobs."""
    endpoint: str = ""

    def carry_out(self, handler: BaseHTTPRequestHandler) -> None:
        """Pass one request on, or let it fail."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = self.judge(handler.command, handler.path, body)
        if handler.command == "POST" and handler.path.partition("?")[0].endswith("/jobs"):
            self.bodies.append(body)
        self.seen.append((handler.command, handler.path, fault))
        if isinstance(fault, Answer):
            reply(handler, fault.status, [("Content-Type", "application/json")], fault.body)
            return
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in DROPPED}
        connection = http.client.HTTPConnection(self.target)
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        content, found = answer.read(), answer.getheaders()
        connection.close()
        if fault == LOST:
            handler.close_connection = True
            handler.connection.close()
            return
        # Where an upload goes on is told by address, which must lead through here again.
        address = self.endpoint.removeprefix("http://")
        content = self.revise(handler.path, body, content)
        kept = [(name, value.replace(self.target, address)) for name, value in found if name.lower() not in DROPPED]
        reply(handler, answer.status, kept, content)


def reply(handler: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy on a free port of 127.0.0.1 in this process, stopped at the end."""
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        # A function, not the bound method, which would not be bound to the handler.
        setattr(Handler, f"do_{method}", lambda handler: proxy.carry_out(handler))  # noqa: PLW0108 # a method is bound, a lambda takes the handler
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
