"""The demo: three stories on sample data, in which the real jobs and the real sensors act under a clock that is moved
from morning to morning. It tells what happens, and it fails when a story does not end as it must.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import click

from v4_assets.errors import V4Error
from v4_assets.rollout.report import PAGE
from v4_assets.sample import other_stories, rollout_story, stories
from v4_assets.sample.stage import Stage
from v4_assets.sample.telling import chapter
from v4_assets.sample.world import build
from v4_assets.settings import Settings

INTRODUCTION = (
    "A sales team contacts 5,000 advisors a week. A model scores every open lead every morning, and the tenth it ranks "
    "first is called first. v4.0.0 does it today; v4.1.0 is meant to replace it. Whether a lead was worth the call is "
    "known 43 days later. The data is calibrated sample data; every run, check and decision below is a real one."
)


def tell(settings: Settings, say: Callable[[str], None] = click.echo) -> int:
    """Run the demo into V4_HOME, saying what happens. Returns the exit code: 0 when every story ended as it must.

    A V4_HOME that holds a warehouse already is left as it is: the days written in it are evidence.
    """
    if settings.demo_clock_file.exists():
        say(f"The demo is in {settings.home} already: `make dev` shows it. `make clean` removes it, to start anew.")
        return 0
    if settings.duckdb_file.exists():
        say(f"{settings.duckdb_file} exists but holds no finished demo. Remove {settings.home}, or set V4_HOME.")
        return 1
    if settings.warehouse != "duckdb":
        say("The demo writes source tables, and only the embedded warehouse's. Unset V4_WAREHOUSE.")
        return 1
    team = _stage(settings, settings.home, salesforce="local")
    market, silent = (_stage(settings, settings.home / "stories" / name) for name in ("market", "silent-column"))
    say(chapter("Two versions of a model, and who decides between them", INTRODUCTION))
    try:
        with _beside(market, silent) as others:
            rollout_story.tell(team, build(stories.ROLLOUT_WORLD), say)
            for text in others():
                say(text)
    except V4Error as error:
        say(f"\nThe story went otherwise: {error}")
        return 1
    team.stop_clock(stories.ROLLBACK)
    say(_where_to_look(team, market, silent))
    return 0


def _stage(settings: Settings, home: Path, salesforce: str = "dry-run") -> Stage:
    """A stage that can reach nobody: no real org, and no webhook for alerts about sample data."""
    reach = {"salesforce": salesforce, "salesforce_target": None, "slack_webhook": None}
    return Stage(settings.model_copy(update={"home": home, **reach}))


@contextmanager
def _beside(market: Stage, silent: Stage) -> Iterator[Callable[[], list[str]]]:
    """The other stories go on in a process of their own, on the other core; what is yielded waits for their words."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process.submit(other_stories.tell, market, silent).result


def _where_to_look(team: Stage, market: Stage, silent: Stage) -> str:
    report = team.report(stories.ROLLBACK, "rollback")
    return (
        "\nAll three stories ended as they must. Look at the first:\n"
        "  make dev                 Dagster at http://127.0.0.1:3000: lift_comparison, its checks, every run\n"
        "  .venv/bin/v4 history     what was done to production, and why\n"
        "  .venv/bin/v4 lift        conversion by decile, both versions\n"
        f"  {report}\n"
        f"  {team.settings.places.reports / PAGE}: how things stand, for a browser\n"
        "and at the others with V4_HOME set:\n"
        f"  V4_HOME={market.settings.home} make dev\n"
        f"  V4_HOME={silent.settings.home} make dev"
    )
