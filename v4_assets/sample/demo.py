"""The demo: stories on sample data, in which the real jobs and the real sensors act under a clock that is moved from
morning to morning. It prints the events, and it fails when a story does not end as expected.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context

import click

from v4_assets.config.environment import Settings
from v4_assets.errors import V4Error
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.sample import Story, other_stories, rollout_story, stories
from v4_assets.sample.stories import chapter
from v4_assets.sample.story_home import Stage
from v4_assets.sample.world import build

INTRODUCTION = (
    "A sales team contacts 4,000 advisors a week. A model scores every open lead every morning, and the tenth it ranks "
    "first is called first. v4.0.0 does it today; v4.1.0 is meant to replace it. Whether a lead was worth the call is "
    "known {window_days} days later. The data is calibrated sample data; every run, check and decision below is a real "
    "one."
)


def play(settings: Settings, say: Callable[[str], None] = click.echo, wanted: Sequence[str] = (Story.ROLLOUT,)) -> int:
    """Run the stories `wanted` into V4_HOME and print the events. Returns 0 when each ended as expected, else 1.

    A home that holds a warehouse is left as it is: the days written in it are evidence.
    """
    if settings.warehouse != "duckdb":
        say("The demo writes source tables, and only the embedded warehouse's. Unset V4_WAREHOUSE.")
        return 1
    stages = {story: _stage(settings, story) for story in Story}
    missing = [story for story in _with_what_comes_before(wanted) if not _is_finished(stages[story])]
    for story in missing:
        file = stages[story].settings.duckdb_file
        if file.exists():
            say(f"{file} exists but holds no finished demo. Remove {stages[story].settings.home}, or set V4_HOME.")
            return 1
    if not missing:
        say(
            f"The demo is in {stages[Story(wanted[0])].settings.home} already: `make dev` shows it. `make clean` "
            "removes it, to start again."
        )
        return 0
    introduction = INTRODUCTION.format(window_days=settings.rollout.outcome_window_days)
    say(chapter("Two versions of a model, and who decides between them", introduction))
    try:
        _run(stages, missing, say)
    except V4Error as error:
        say(f"\nThe story did not end as expected: {error}")
        return 1
    say(_next_steps(stages, missing))
    return 0


def _with_what_comes_before(wanted: Sequence[str]) -> list[Story]:
    """The stories in their order; the silent column is the market team's next morning."""
    return [story for story in Story if story in wanted or (story is Story.MARKET and Story.SILENT_COLUMN in wanted)]


def _stage(settings: Settings, story: Story) -> Stage:
    """A stage without a real org and without a webhook, so that sample data reaches no one."""
    home = settings.home if story is Story.ROLLOUT else settings.home / "stories" / story
    salesforce = "local" if story is Story.ROLLOUT else "dry-run"
    reach = {"salesforce": salesforce, "salesforce_target": None, "slack_webhook": None}
    return Stage(settings.model_copy(update={"home": home, **reach}))


def _is_finished(stage: Stage) -> bool:
    return stage.settings.demo_clock_file.exists()


def _run(stages: dict[Story, Stage], missing: Sequence[Story], say: Callable[[str], None]) -> None:
    """Raises V4Error when a story does not end as expected."""
    market = stages[Story.MARKET] if Story.MARKET in missing else None
    silent = stages[Story.SILENT_COLUMN] if Story.SILENT_COLUMN in missing else None
    others = partial(other_stories.tell, stages[Story.MARKET], market=market is not None, silent=silent)
    if Story.ROLLOUT not in missing:
        others(say=say)
        return
    team = stages[Story.ROLLOUT]
    with _in_parallel(others if market or silent else None) as others_lines:
        rollout_story.play(team, build(stories.ROLLOUT_WORLD), say)
        for text in others_lines():
            say(text)
    team.stop_clock(stories.ROLLBACK)


@contextmanager
def _in_parallel(work: Callable[[], list[str]] | None) -> Iterator[Callable[[], list[str]]]:
    """`work`, if any, in a process of its own, on the other core; what is yielded waits for its lines."""
    if work is None:
        yield list
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process.submit(work).result


def _next_steps(stages: dict[Story, Stage], run: Sequence[Story]) -> str:
    """The commands that show the demo's results."""
    ended = "The story ended as expected." if len(run) == 1 else f"All {len(run)} stories ended as expected."
    lines = [f"\n{ended}"]
    if Story.ROLLOUT in run:
        team = stages[Story.ROLLOUT]
        lines += [
            "  make dev                 Dagster at http://127.0.0.1:3000: lift_comparison, its checks, every run",
            "  .venv/bin/v4 history     every change of production, with its reason",
            "  .venv/bin/v4 lift        conversion by decile, both versions",
            f"  {team.report(stories.ROLLBACK, 'rollback')}",
            f"  {team.settings.places.reports / ROLLOUT_PAGE}: the rollout's status, for a browser",
        ]
    lines += [f"  V4_HOME={stages[story].settings.home} make dev" for story in run if story is not Story.ROLLOUT]
    rest = [story for story in Story if not _is_finished(stages[story])]
    lines += [f"  .venv/bin/v4 demo --story {story}: another story, about two minutes" for story in rest]
    return "\n".join(lines)
