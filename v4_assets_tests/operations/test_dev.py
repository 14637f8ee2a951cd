"""`v4 dev` starts Dagster's processes, and whatever ends it ends all of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from v4_assets.config.environment import load
from v4_assets.errors import V4Error
from v4_assets.operations import dev
from v4_assets.project_files import PROJECT
from v4_assets_tests.browser.dagster_ui import free_port

START_SECONDS, STOP_SECONDS = 180, 40
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"


def processes_with(word: str) -> list[int]:
    """The ids of processes that have `word` in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if word.encode() in content:
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int, str]]:
    """`v4 dev` as a shell starts it in the background, its port, and a word in the environment of all it starts."""
    port, mark = free_port(), f"V4_TEST_MARK_{tmp_path.name}".replace("V4_", "")
    environment = os.environ | {"V4_HOME": str(tmp_path / "home"), "V4_SALESFORCE": "local", mark: "1"}
    (tmp_path / "home").mkdir()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from v4_assets.cli.main import main; main()", "dev", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            # A shell that is not interactive starts background processes with SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - no threads here
        )
    try:
        _wait(process, port, tmp_path / "log")
        yield process, port, mark
    finally:
        for number in processes_with(mark):
            os.kill(number, signal.SIGKILL)
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5)
            return
        except requests.RequestException:
            time.sleep(0.3)
    raise AssertionError(log.read_text(errors="replace"))


@pytest.mark.extended
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_that_was_started(
    served: tuple["subprocess.Popen[bytes]", int, str], number: signal.Signals
) -> None:
    process, port, mark = served
    answer = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": LOCATIONS}, timeout=60).json()
    assert [one["name"] for one in answer["data"]["workspaceOrError"]["locationEntries"]] == [dev.LOCATION]
    assert len(processes_with(mark)) >= 4
    process.send_signal(number)
    assert process.wait(STOP_SECONDS) == 0
    assert processes_with(mark) == []


@pytest.mark.extended
def test_a_process_that_ends_by_itself_ends_the_others_and_is_named(
    served: tuple["subprocess.Popen[bytes]", int, str], tmp_path: Path
) -> None:
    process, _, mark = served
    [daemon] = [one for one in processes_with(mark) if "dagster._daemon" in Path(f"/proc/{one}/cmdline").read_text()]
    os.kill(daemon, signal.SIGKILL)
    assert process.wait(STOP_SECONDS) == 2
    assert processes_with(mark) == []
    last = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert last == "v4: Dagster's daemon ended with code -9; its messages are above. Run v4 doctor."


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(V4Error, match=rf"Port {port} of 127.0.0.1 cannot be used: .*--port"):
            dev.serve(load({"V4_HOME": str(tmp_path)}), port, lambda _: None)
    assert not (tmp_path / "dagster").exists()


def test_the_code_location_has_the_name_of_the_workspace_file() -> None:
    [entry] = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    assert entry == {"python_module": {"location_name": dev.LOCATION, "module_name": dev.DEFINITIONS}}
