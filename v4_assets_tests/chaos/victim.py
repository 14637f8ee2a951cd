"""The process that is killed again and again: free of threads and warm, it forks itself for whatever it is asked to do.

Importing and translating takes a process eight seconds, a fork two milliseconds.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from v4_assets_tests.chaos.boundaries import Point, watched
from v4_assets_tests.chaos.scenes import SCENES, finished, played
from v4_assets_tests.fixtures.warm import warm_up


@dataclass(frozen=True)
class Asked:
    """A part of a scene to be played in a fork."""

    scene: str
    home: str
    log: str
    """Where the boundaries are written, a line each."""
    finish: bool = False
    point: Point | None = None
    """Where it is killed."""


class Victim:
    """The process, from __enter__, which waits until it is warm, to __exit__."""

    def __enter__(self) -> Self:
        script = "from v4_assets_tests.chaos.victim import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # OpenMP's threads do not survive a fork.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._answer()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def plays(self, asked: Asked, kill_after: float | None = None) -> int:
        """Play a part of a scene, killed after so many seconds if that is given. Returns the fork's exit code."""
        assert self._process.stdin is not None
        print(json.dumps(asdict(asked)), file=self._process.stdin, flush=True)
        pid = int(self._answer())
        timer = threading.Timer(kill_after, _kill, (pid,)) if kill_after is not None else None
        if timer:
            timer.start()
        code = int(self._answer())
        if timer:
            timer.cancel()
        return code

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "The victim itself has ended; see its error output."
        return answer


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, signal.SIGKILL)


def serve() -> None:
    """Say that it is warm. Fork for every line of the input; answer with the fork's id, then with its exit code."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for scene in SCENES.values():
        assert scene.home.is_dir()
    warm_up()
    print("warm", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        point = Point(**asked.pop("point")) if asked["point"] else asked.pop("point")
        if (pid := os.fork()) == 0:
            os._exit(_played(Asked(**asked, point=point)))
        print(pid, file=answers, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers, flush=True)


def _played(asked: Asked) -> int:
    log, home, scene = Path(asked.log), Path(asked.home), SCENES[asked.scene]
    output = os.open(Path(f"{log}.out"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        with watched(log, home, asked.point):
            (finished if asked.finish else played)(scene, home)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0
