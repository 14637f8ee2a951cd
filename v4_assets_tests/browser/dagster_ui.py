"""Dagster's web server on a V4_HOME, on this machine only, and the addresses of its pages."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from v4_assets.config.environment import load
from v4_assets.operations.instance import dagster_instance
from v4_assets.project_files import PROJECT

START_SECONDS, STOP_SECONDS = 180, 20


class DagsterUI:
    """The web server as a process of its own, without a daemon: it shows, and launches nothing by itself."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """`environment` is what settings are read from; what the server says goes to `log`."""
        settings = load(environment)
        with dagster_instance(settings):
            pass  # made before the web server looks for it
        self.port = free_port()
        self.log = log
        self._environment = {**os.environ, **environment, "DAGSTER_HOME": str(settings.dagster_home)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def asset(self, name: str, view: str = "overview", **more: str) -> str:
        """The page of an asset: overview, partitions, events or checks."""
        query = "&".join(f"{key}={value}" for key, value in {"view": view, **more}.items())
        return f"{self.url}/assets/{name}?{query}"

    def __enter__(self) -> Self:
        command = [
            sys.executable,
            "-m",
            "v4_assets.operations.webserver",
            str(PROJECT / "workspace.yaml"),
            str(self.port),
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if requests.get(f"{self.url}/server_info", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.3)
        raise AssertionError(f"Dagster did not answer at {self.url}. It said:\n{self.log.read_text(errors='replace')}")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
