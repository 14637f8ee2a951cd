"""The stand-in org's side of a connection: read a request, let a fault strike, answer or hang up. Loopback only."""

import json
import socket
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from salesforce_stand_in.api import Api
from salesforce_stand_in.faults import Faults, Operation
from salesforce_stand_in.messages import Answer, Request
from v4_assets.config.salesforce import is_loopback

CONTROL = "/stand-in/faults"


class Served(Protocol):
    """What a connection is served from."""

    api: Api
    faults: Faults
    requests: Counter[Operation]
    bytes_in: int


class Server(ThreadingHTTPServer):
    """Knows its org, and its open connections, to hang up when it stops."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], org: Served) -> None:
        self.org = org
        self.open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def hang_up(self) -> None:
        """Break the connections clients keep open."""
        for connection in list(self.open):
            _drop(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client hung up, or we did
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a request line may hold what must not be read."""

    def _serve(self) -> None:
        org = self.server.org
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        if not self._is_local():
            self._send(Answer(403))
        elif urlsplit(self.path).path == CONTROL:
            self._send(_controlled(org, request))
        elif org.faults.script.down:
            self._hang_up()
        else:
            self._play(org, request)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _play(self, org: Served, request: Request) -> None:
        operation = org.api.operation(request)
        org.requests[operation] += 1
        org.bytes_in += len(request.body)
        fault = org.faults.strike(operation)
        time.sleep(org.faults.script.latency_seconds)
        if fault and fault.kind == "drop_before":
            self._hang_up()
            return
        answer = org.api.answer(request, fault)
        if fault and fault.kind == "truncated":
            answer = replace(answer, body=answer.body[: len(answer.body) // 2])
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind == "drop_after":
            self._hang_up()
            return
        self._send(answer, "Sforce-Limit-Info: api-usage={}/{}".format(*org.api.limits()))

    def _is_local(self) -> bool:
        asked = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        return all(is_loopback(f"http://{host}") for host in (self.client_address[0], asked))

    def _send(self, answer: Answer, header: str = "") -> None:
        self.send_response(answer.status)
        if answer.body:
            self.send_header("Content-Type", answer.content_type)
        if header:
            name, _, value = header.partition(": ")
            self.send_header(name, value)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _hang_up(self) -> None:
        self.close_connection = True
        _drop(self.connection)


def _controlled(org: Served, request: Request) -> Answer:
    if request.method == "PUT":
        try:
            org.faults.set(**json.loads(request.body))
        except (ValueError, TypeError, ValidationError) as error:
            return Answer(400, str(error).encode(), "text/plain;charset=UTF-8")
    return Answer(200, org.faults.script.model_dump_json().encode())


def _drop(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is gone already
        return
