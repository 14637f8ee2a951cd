"""A scene that is killed and finished, beside the same scene undisturbed."""

import signal
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from salesforce_stand_in import StandInOrg
from v4_assets_tests.chaos.aftermath import Aftermath, differences, left_behind
from v4_assets_tests.chaos.boundaries import Point
from v4_assets_tests.chaos.scenes import SCENES, Scene
from v4_assets_tests.chaos.victim import Asked, Victim
from v4_assets_tests.fixtures.homes import copy

KILLED = -signal.SIGKILL
Kill = Point | float
"""Where, or after how many seconds."""


@dataclass(frozen=True)
class Undisturbed:
    """A scene that nothing happened to."""

    boundaries: tuple[str, ...]
    """Of what is done in the scene, in their order."""
    seconds: float
    left: Aftermath


@dataclass(frozen=True)
class Disturbed:
    """A scene that was killed, again and again perhaps, and finished."""

    scene: str
    struck: tuple[tuple[Kill, Point], ...]
    """Each kill that struck, and after how many boundaries of its process."""
    differences: tuple[str, ...]

    @property
    def order(self) -> str:
        """What `make chaos ONLY=…` takes to do the same again."""
        return f"{self.scene}: {'; '.join(str(_at(*one)) for one in self.struck)}"

    def report(self, seed: int) -> str:
        """The report on a scene that ended differently."""
        kills = "\n".join(f"  killed {_at(*one)}{_timed(one[0])}" for one in self.struck)
        lines = "\n".join(f"  {line}" for line in self.differences)
        return f"{self.scene} ended otherwise (SEED={seed}):\n{kills}\n{lines}\nAgain: make chaos ONLY='{self.order}'"


class Stage:
    """Where scenes are played, from __enter__ to __exit__."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._victim, self._played = folder, Victim(), 0
        self._undisturbed: dict[str, Undisturbed] = {}

    def __enter__(self) -> Self:
        self._victim.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._victim.__exit__(*error)

    def undisturbed(self, name: str) -> Undisturbed:
        """The scene without a kill; played once."""
        if name not in self._undisturbed:
            with _Run(self, SCENES[name]) as run:
                begun = time.monotonic()
                assert run.plays(None) == 0, run.output()
                seconds = time.monotonic() - begun
                boundaries = run.boundaries()
                assert run.plays(None) == 0, run.output()
                self._undisturbed[name] = Undisturbed(boundaries, seconds, run.left())
        return self._undisturbed[name]

    def disturbed(self, name: str, kills: Sequence[Kill]) -> Disturbed:
        """The scene killed at the first of `kills`, its completion at the second, and so on, and then left in peace.

        A kill whose point is not reached does not strike.
        """
        expected = self.undisturbed(name)
        struck: list[tuple[Kill, Point]] = []
        with _Run(self, SCENES[name]) as run:
            for kill in kills:
                code = run.plays(kill)
                assert code in (0, KILLED), f"{name}, {kill}: {run.output()}"
                if code == KILLED:
                    struck.append((kill, Point(None, len(run.boundaries()), after=True)))
            assert run.plays(None) == 0, f"{name}, {struck}: {run.output()}"
            return Disturbed(name, tuple(struck), tuple(differences(run.left(), expected.left)))


class _Run:
    """A scene in a home of its own, played by one process after another."""

    def __init__(self, stage: Stage, scene: Scene) -> None:
        stage._played += 1
        self._scene, self._victim = scene, stage._victim
        self._home = copy(scene.home, stage._folder / f"{stage._played}-{scene.name}")
        self._org = StandInOrg(self._home / "org") if scene.has_org else None
        self._processes = 0

    def __enter__(self) -> Self:
        (self._org or nullcontext()).__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        (self._org or nullcontext()).__exit__(None, None, None)

    @property
    def _log(self) -> Path:
        return self._home.with_name(f"{self._home.name}.{self._processes}")

    def plays(self, kill: Kill | None) -> int:
        """The scene, or after the first time its completion. Returns the exit code."""
        self._processes += 1
        asked = Asked(
            self._scene.name,
            str(self._home),
            str(self._log),
            finish=self._processes > 1,
            point=kill if isinstance(kill, Point) else None,
        )
        return self._victim.plays(asked, kill if isinstance(kill, float) else None)

    def boundaries(self) -> tuple[str, ...]:
        """That the last process passed."""
        return tuple(self._log.read_text(encoding="utf-8").splitlines()) if self._log.exists() else ()

    def output(self) -> str:
        """Of the last process."""
        return Path(f"{self._log}.out").read_text(encoding="utf-8")[-3000:]

    def left(self) -> Aftermath:
        """What there is now."""
        return left_behind(self._home, self._org)


def _at(kill: Kill, passed: Point) -> Point:
    return kill if isinstance(kill, Point) else passed


def _timed(kill: Kill) -> str:
    return "" if isinstance(kill, Point) else f" (after {kill:.3f} s)"
