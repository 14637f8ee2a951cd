"""The UI answers its own pages and programs on this machine; what a foreign page makes a browser send is refused."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import requests
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from v4_assets.operations.webserver import ADDRESS, application
from v4_assets_tests.browser.dagster_ui import free_port

RUN = "00000000-0000-0000-0000-000000000001"
MUTATION = f'mutation {{ deleteRun(runId: "{RUN}") {{ __typename }} }}'
QUERY = {"query": "{ instance { hasInfo } }"}
FOREIGN = "http://example.org"
JSON = {"Content-Type": "application/json"}


@dg.op
def one() -> None:
    """A step."""


@dg.job
def small() -> None:
    """A run to delete, and one to follow."""
    one()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        instance.create_run_for_job(small, run_id=RUN)
        yield instance


@pytest.fixture(scope="module")
def port(instance: dg.DagsterInstance) -> Iterator[int]:
    """Where the guarded server listens."""
    number = free_port()
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        server = uvicorn.Server(uvicorn.Config(application(context), host=ADDRESS, port=number, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield number
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def graphql(port: int) -> str:
    return f"http://{ADDRESS}:{port}/graphql"


def body(query: str = MUTATION) -> str:
    return json.dumps({"query": query})


REFUSED: dict[str, tuple[str, dict[str, str], dict[str, Any], int]] = {
    "a_form": ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, {"params": {"query": MUTATION}}, 415),
    "a_form_with_a_file": ("POST", {}, {"params": {"query": MUTATION}, "files": {"one": b"1"}}, 415),
    "text": ("POST", {"Content-Type": "text/plain"}, {"params": {"query": MUTATION}}, 415),
    "text_that_names_json": ("POST", {"Content-Type": "text/plain; application/json"}, {"data": body()}, 415),
    "no_content_type": ("POST", {}, {"params": {"query": MUTATION}}, 415),
    "a_get": ("GET", {}, {"params": {"query": MUTATION}}, 405),
    "a_get_with_a_slash": ("GET", {}, {"params": {"query": MUTATION}}, 405),
    "a_foreign_origin": ("POST", {**JSON, "Origin": FOREIGN}, {"data": body()}, 403),
    "a_page_of_another_port": ("POST", {**JSON, "Origin": f"http://{ADDRESS}:8000"}, {"data": body()}, 403),
    "a_page_without_an_origin": ("POST", {**JSON, "Origin": "null"}, {"data": body()}, 403),
    "a_rebound_host": ("POST", {**JSON, "Host": "example.org"}, {"data": body()}, 403),
    "a_rebound_host_of_its_own_origin": (
        "POST",
        {**JSON, "Host": "example.org:3000", "Origin": "http://example.org:3000"},
        {"data": body()},
        403,
    ),
    "a_host_that_begins_like_ours": ("POST", {**JSON, "Host": f"{ADDRESS}.example.org"}, {"data": body()}, 403),
    "a_host_with_a_user": ("POST", {**JSON, "Host": f"{ADDRESS}@example.org"}, {"data": body()}, 403),
    "a_host_that_is_none": ("POST", {**JSON, "Host": "[::1"}, {"data": body()}, 403),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_foreign_page_can_send_changes_nothing(instance: dg.DagsterInstance, graphql: str, case: str) -> None:
    method, headers, more, status = REFUSED[case]
    path = graphql + "/" if case.endswith("slash") else graphql
    response = requests.request(method, path, headers=headers, timeout=20, allow_redirects=False, **more)
    assert (response.status_code, response.text.count("\n")) == (status, 1)
    assert instance.has_run(RUN)


@pytest.mark.parametrize(
    "path", ["", "/server_info", "/runs", "/report_asset_materialization/one?partition=2026-01-05"]
)
def test_a_rebound_host_reads_nothing_either(port: int, path: str) -> None:
    response = requests.get(f"http://{ADDRESS}:{port}{path}", headers={"Host": "example.org"}, timeout=20)
    assert response.status_code == 403


def test_a_report_of_a_materialization_is_not_taken_from_a_form(instance: dg.DagsterInstance, port: int) -> None:
    response = requests.post(f"http://{ADDRESS}:{port}/report_asset_materialization/one", data={"a": "1"}, timeout=20)
    assert response.status_code == 415
    assert instance.get_latest_materialization_event(dg.AssetKey("one")) is None


@pytest.mark.parametrize("name", [ADDRESS, "localhost", "[::1]"])
def test_the_pages_of_the_ui_are_answered(port: int, name: str) -> None:
    host = f"{name}:{port}"
    headers = {**JSON, "Host": host, "Origin": f"http://{host}"}
    response = requests.post(f"http://{ADDRESS}:{port}/graphql", headers=headers, data=json.dumps(QUERY), timeout=20)
    assert response.json()["data"]["instance"]["hasInfo"]
    page = requests.get(f"http://{ADDRESS}:{port}/assets", headers={"Host": host}, timeout=20)
    assert (page.status_code, "<html" in page.text.lower()) == (200, True)


def test_the_same_mutation_of_an_own_page_is_done(instance: dg.DagsterInstance, port: int) -> None:
    run = instance.create_run_for_job(small)
    headers = {**JSON, "Origin": f"http://{ADDRESS}:{port}"}
    content = body(MUTATION.replace(RUN, run.run_id))
    assert requests.post(f"http://{ADDRESS}:{port}/graphql", headers=headers, data=content, timeout=20).ok
    assert not instance.has_run(run.run_id)


def test_a_program_and_the_query_page_are_answered(graphql: str) -> None:
    assert requests.post(graphql, json=QUERY, timeout=20).json()["data"]["instance"]["hasInfo"]
    assert requests.get(graphql, headers={"Accept": "text/html"}, timeout=20).ok


@pytest.mark.parametrize("origin", [FOREIGN, "null", f"http://{ADDRESS}:1"])
def test_a_websocket_of_another_origin_is_refused(port: int, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, _logs(port, origin):
        pass
    assert refused.value.response.status_code == 403


def test_the_log_of_a_run_still_streams(instance: dg.DagsterInstance, port: int) -> None:
    run = instance.create_run_for_job(small)
    subscription = """subscription($run: ID!) { pipelineRunLogs(runId: $run) {
        ... on PipelineRunLogsSubscriptionSuccess { messages { ... on MessageEvent { message } } } } }"""
    with _logs(port, f"http://{ADDRESS}:{port}") as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        payload = {"query": subscription, "variables": {"run": run.run_id}}
        socket.send(json.dumps({"type": "start", "id": "1", "payload": payload}))
        instance.report_engine_event("the morning has begun", run)
        received = ""
        while "the morning has begun" not in received:
            received += str(socket.recv(timeout=30))


def _logs(port: int, origin: str) -> Any:
    protocol = [Subprotocol("graphql-ws")]
    return connect(f"ws://{ADDRESS}:{port}/graphql", origin=Origin(origin), subprotocols=protocol, open_timeout=20)
