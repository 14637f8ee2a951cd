"""`make chaos`: kills at random times over the story of a rollout, and every table and the org compared afterwards."""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from v4_assets_tests.chaos.boundaries import Point
from v4_assets_tests.chaos.disturb import Disturbed, Stage
from v4_assets_tests.chaos.scenes import SCENES
from v4_assets_tests.fixtures.environment import fresh_environment

MOST_AT_ONCE = 3
"""Kills of one scene before it is left to finish."""


def main() -> int:
    """The program. Exit code 1 when a scene ended otherwise than undisturbed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="kills that strike [default: 100]")
    parser.add_argument("--seed", type=int, default=None, help="of the scenes and times [default: a new one]")
    parser.add_argument("--only", default=None, help="'SCENE: POINT; POINT', as a difference names it")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"SEED={seed} KILLS={given.kills}", flush=True)
    failed = False
    with fresh_environment(), tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage:
        for done in [_only(stage, given.only)] if given.only else _at_random(stage, seed, given.kills):
            failed |= bool(done.differences)
            print(done.report(seed) if done.differences else f"ok  {done.order}", flush=True)
    print("A scene ended otherwise: see above." if failed else "Every scene ended as if nothing had happened.")
    return int(failed)


def _only(stage: Stage, text: str) -> Disturbed:
    scene, _, points = text.partition(": ")
    return stage.disturbed(scene, [Point.parse(point.strip()) for point in points.split(";")])


def _at_random(stage: Stage, seed: int, kills: int) -> Iterator[Disturbed]:
    """Scenes killed at random times until `kills` have struck. The times lie within each scene's own duration."""
    chance, struck = random.Random(seed), 0
    while struck < kills:
        scene = chance.choice(list(SCENES))
        seconds = stage.undisturbed(scene).seconds
        times = [chance.uniform(0, seconds) for _ in range(chance.randint(1, MOST_AT_ONCE))]
        done = stage.disturbed(scene, times[: kills - struck])
        struck += len(done.struck)
        yield done


if __name__ == "__main__":
    sys.exit(main())
