"""Shell snippets run for real by bash, while every command in them is a stand-in that records what it was given.

`gcloud`, `bq` and `sf` need accounts, `make demo` minutes; what is shown is that the snippet is shell, that its
variables expand, and what would have been called. A command that is neither known here nor harmless is not found.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RECORDED = ("gcloud", "bq", "sf", "v4", "make", "python", "pip", "dagster", "dagster-webserver", "dagster-daemon")
HARMLESS = ("cat", "chmod", "cp", "mkdir", "openssl", "sed", "mv")
STAND_IN = """#!/bin/bash
printf '%s\\037' "${0##*/}" "$@" >> "$RECORD"
printf '\\036' >> "$RECORD"
"""


@dataclass(frozen=True)
class Played:
    """How a snippet ended, and what it called."""

    code: int
    said: str
    calls: tuple[tuple[str, ...], ...]


def play(script: str, folder: Path, **environment: str) -> Played:
    """Run the script in `folder` by `bash -euo pipefail`."""
    tools, record = folder / ".stand-ins", folder / ".record"
    tools.mkdir(exist_ok=True)
    record.touch()
    for path in (*(tools / name for name in RECORDED), folder / ".venv" / "bin" / "v4", folder / ".ci" / "run"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STAND_IN, encoding="utf-8")
        path.chmod(0o755)
    for name in HARMLESS:
        if (found := shutil.which(name)) and not (tools / name).exists():
            (tools / name).symlink_to(found)
    bash = shutil.which("bash") or "bash"
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": str(tools), "RECORD": str(record), "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    calls = [tuple(call.split("\037")[:-1]) for call in record.read_text(encoding="utf-8").split("\036")[:-1]]
    return Played(done.returncode, done.stdout + done.stderr, tuple(calls))
