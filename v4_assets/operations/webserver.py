"""Dagster's web server, closed to other web pages: `python -m v4_assets.operations.webserver WORKSPACE PORT`.

Dagster's own server executes what a foreign page sends it: a form, a GET, a websocket, a name that was rebound to this
machine. `Guard` refuses these; everything else is Dagster's.
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import uvicorn
from dagster._core.workspace.context import (
    BaseWorkspaceRequestContext,
    IWorkspaceProcessContext,
    WorkspaceProcessContext,
)
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ADDRESS = "127.0.0.1"
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
JSON_TYPES = frozenset({"application/json", "application/graphql"})
POLL_MILLISECONDS = 2000
STATEMENT_MILLISECONDS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW = 15_000, 3_600, 20


class Guard:
    """ASGI middleware: refuses requests and websockets that a page of another origin can make a browser send."""

    def __init__(self, app: ASGIApp) -> None:
        """`app` gets what passes."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a status and one sentence."""
        refused = refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            await PlainTextResponse(refused[1] + "\n", refused[0])(scope, receive, send)


def refusal(scope: Scope) -> tuple[int, str] | None:
    """The HTTP status and the sentence by which a request is refused; None where it may pass."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if _name(host) not in LOCAL_NAMES:
        return 403, "The Host header names another machine. Open Dagster at http://127.0.0.1 and its port."
    # A browser always names the origin of a websocket and of a POST; a program on this machine need not.
    if any(origin != f"http://{host}" for origin in headers.getlist("origin")):
        return 403, "The request comes from a page of another origin. Open Dagster itself and repeat it there."
    if scope["type"] == "websocket":
        return None
    if scope["method"] == "POST" and _media_type(headers) not in JSON_TYPES:
        return 415, "A POST needs the Content-Type application/json: a form is not accepted."
    graphiql = "text/html" in headers.get("accept", "")
    if scope["method"] in ("GET", "HEAD") and scope["path"].rstrip("/") == "/graphql" and not graphiql:
        return 405, "GraphQL is answered by POST with the Content-Type application/json, not by GET."
    return None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _media_type(headers: Headers) -> str:
    types = headers.getlist("content-type")
    return types[0].split(";")[0].strip().lower() if len(types) == 1 else ""


class GuardedWebserver(DagsterWebserver[IWorkspaceProcessContext[Any], BaseWorkspaceRequestContext]):
    """Dagster's web server behind `Guard`."""

    def build_middleware(self) -> list[Middleware]:
        """The guard first, then Dagster's own."""
        return [Middleware(Guard), *super().build_middleware()]


def application(context: IWorkspaceProcessContext[Any]) -> Starlette:
    """The guarded web application of a workspace."""
    return GuardedWebserver(context, live_data_poll_rate=POLL_MILLISECONDS).create_asgi_app()


def serve(workspace: Path, port: int) -> None:
    """Serve the instance of DAGSTER_HOME on this machine only, until SIGTERM or SIGINT."""
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_MILLISECONDS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW)
        target = WorkspaceFileTarget([str(workspace)])
        with WorkspaceProcessContext(instance, target, version=__version__) as context:
            uvicorn.run(application(context), host=ADDRESS, port=port, log_level="warning")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
