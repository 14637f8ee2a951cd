"""A BigQuery emulator in a process of its own, on free ports of 127.0.0.1, that tests can kill and start again."""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from v4_assets.project_files import PROJECT

PYTHON = PROJECT / ".venv-emulator" / "bin" / "python"
SERVE = Path(__file__).with_name("serve.py")
GOOGLE_PROJECT = "v4-test"
HOW_TO_GET_IT = "`make emulator` sets up the BigQuery emulator; it needs Python 3.13 beside the project's own."
PATIENCE = 120.0
"""Seconds for the emulator to answer. It takes five on an idle machine."""


def is_installed() -> bool:
    """Whether `make emulator` was run to its end."""
    return PYTHON.with_name("installed").exists()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Emulator:
    """One emulator and its files. Ports stay the same when it is started again."""

    data: Path
    rest_port: int = field(default_factory=free_port)
    storage_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """REST address."""
        return f"http://127.0.0.1:{self.rest_port}"

    @property
    def storage_endpoint(self) -> str:
        """Where the Storage Read API answers."""
        return f"127.0.0.1:{self.storage_port}"

    @property
    def log(self) -> Path:
        """What the emulator printed."""
        return self.data.with_suffix(".log")

    def start(self) -> None:
        """Start and wait until it answers. Raises RuntimeError with what it printed when it does not."""
        with self.log.open("ab") as log:
            command: list[str | Path] = [PYTHON, SERVE, "--rest-port", str(self.rest_port)]
            command += ["--storage-port", str(self.storage_port)]
            command += ["--project", GOOGLE_PROJECT, "--data", str(self.data)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The BigQuery emulator did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def client(self) -> bigquery.Client:
        """Google's own client, for what no method of the warehouse does."""
        return bigquery.Client(GOOGLE_PROJECT, AnonymousCredentials(), client_options={"api_endpoint": self.endpoint})

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.endpoint}/bigquery/v2/projects", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
