"""What a command costs before and around its work: CPU seconds (user and system) of whole processes of `v4`."""

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from v4_assets.config.environment import with_environment

COMMANDS = ("--help", "status --help", "run --help", "history", "live", "lift", "status")
SCRIPT = "from v4_assets.cli.main import main; main()"
PROBLEMS_FOUND = 1
"""How `v4 status` ends when something is to be done, as in a home with nothing scored."""


def cpu_seconds(home: Path, command: str) -> float:
    """User and system seconds of `v4 COMMAND` with V4_HOME `home`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command.split()],
        env=with_environment(V4_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, PROBLEMS_FOUND):
        raise RuntimeError(f"v4 {command} failed:\n{done.stderr[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(home: Path, repetitions: int) -> dict[str, float]:
    """CPU seconds of every command in a home in which the baseline is live: medians over rounds of them all."""
    cpu_seconds(home, "init")
    rounds = [{command: cpu_seconds(home, command) for command in COMMANDS} for _ in range(repetitions)]
    return {command: statistics.median(one[command] for one in rounds) for command in COMMANDS}


if __name__ == "__main__":
    print(json.dumps(medians(Path(sys.argv[1]), int(sys.argv[2]))))
