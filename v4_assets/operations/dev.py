"""`v4 dev`: Dagster's code server, daemon and guarded web server on V4_HOME, ended together."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import grpc  # type: ignore[import-untyped] # grpc ships no types
import yaml

from salesforce_stand_in import StandInOrg
from v4_assets.config.environment import Settings, with_environment
from v4_assets.errors import V4Error
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.webserver import ADDRESS

LOCATION, DEFINITIONS = "v4_assets", "v4_assets.definitions"
"""The name of the code location is part of every sensor's and schedule's identity: workspace.yaml has the same."""
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 20.0, 0.2


class _Ended(Exception):
    """SIGTERM, SIGINT or SIGHUP arrived."""


def serve(settings: Settings, port: int, say: Callable[[str], None]) -> None:
    """Serve the UI, schedules and sensors until Ctrl-C or SIGTERM; whatever was started is ended then.

    Raises V4Error when one of the processes ends by itself.
    """
    _verify_free(port)
    with dagster_instance(settings):
        pass  # made before the web server looks for it
    environment = with_environment(DAGSTER_HOME=str(settings.dagster_home), PYTHONWARNINGS="ignore")
    try:
        with ExitStack() as stack:
            stack.enter_context(_signals())
            if settings.salesforce == "local":
                org = stack.enter_context(StandInOrg(settings.stand_in_org))
                say(f"The stand-in Salesforce org answers at {org.url}.")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="v4-dev-")))
            processes = stack.enter_context(_processes())
            _start(processes, folder, port, environment)
            say(f"Dagster at http://{ADDRESS}:{port}, Ctrl-C ends it.")
            _watch(processes)
    except _Ended:
        say("Dagster has ended.")


def _verify_free(port: int) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((ADDRESS, port))
        except OSError as error:
            raise V4Error(
                f"Port {port} of {ADDRESS} cannot be used: {error.strerror}. Choose one by --port."
            ) from error


def _start(
    processes: dict[str, "subprocess.Popen[bytes]"], folder: Path, port: int, environment: Mapping[str, str]
) -> None:
    code_socket = folder / "code.sock"
    workspace = folder / "workspace.yaml"
    server = {"socket": str(code_socket), "location_name": LOCATION}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    code = ["dagster", "code-server", "start", "-m", DEFINITIONS, "--location-name", LOCATION, "-s", str(code_socket)]
    commands = {
        "code server": [*code, "--log-level", "warning"],
        "web server": ["v4_assets.operations.webserver", str(workspace), str(port)],
        "daemon": ["dagster._daemon", "run", "-w", str(workspace)],
    }
    for name, command in commands.items():
        processes[name] = _process(command, environment)
        if name == "code server":
            _wait_for(code_socket, processes)


def _process(module: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    # A session of its own: a Ctrl-C reaches only this process, which then ends the others and what they started.
    return subprocess.Popen([sys.executable, "-m", *module], env=dict(environment), start_new_session=True)


def _wait_for(code_socket: Path, processes: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    channel = grpc.insecure_channel(f"unix:{code_socket}")
    ready = grpc.channel_ready_future(channel)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        _verify_alive(processes)
        with suppress(grpc.FutureTimeoutError):
            ready.result(POLL_SECONDS)
            channel.close()
            return
    raise V4Error(f"Dagster's code server did not answer within {START_SECONDS:.0f} seconds. Run v4 doctor.")


def _watch(processes: Mapping[str, "subprocess.Popen[bytes]"]) -> NoReturn:
    while True:
        _verify_alive(processes)
        time.sleep(POLL_SECONDS)


def _verify_alive(processes: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    for name, process in processes.items():
        code = process.poll()
        if code is not None:
            raise V4Error(f"Dagster's {name} ended with code {code}; its messages are above. Run v4 doctor.")


@contextmanager
def _processes() -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Processes by name. At the end each is asked to stop with all it started, then killed."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        yield processes
    finally:
        for process in reversed(processes.values()):
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        for process in reversed(processes.values()):
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            _signal(process, signal.SIGKILL)  # the group: what the process left behind ends, too
            process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextmanager
def _signals() -> Iterator[None]:
    """Let the three signals that mean the end raise `_Ended`, once: a second Ctrl-C does not interrupt the clean-up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_: int, __: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
