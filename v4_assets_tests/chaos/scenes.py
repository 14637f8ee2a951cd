"""The story that is disturbed, scene by scene: what is done in each, and how the product is left to finish it.

The scenes follow one rollout, from the takeover of a firm's warehouse to the sunset of the old version. Each begins
with a home of its own, which is prepared once, and plays at one moment of a fixed clock.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from click.testing import CliRunner

from salesforce_stand_in import StandInOrg
from v4_assets.cli.main import cli
from v4_assets.operations import operator_actions
from v4_assets.operations.status import status
from v4_assets_tests.fixtures import firm_warehouse
from v4_assets_tests.fixtures.homes import prepared
from v4_assets_tests.fixtures.stories import (
    ADOPTED,
    BEFORE,
    DAYS,
    FALLEN,
    GOOD,
    LATE,
    SEVENTH,
    SINCE,
    WATCHED,
    Figures,
    Story,
    home_of,
)

LOCAL = {"V4_SALESFORCE": "local"}
FEBRUARY = date(2026, 2, 1)
"""Its rows are written on their own day, and so kept by whatever runs again."""
TICKS = 24
"""More than the sensor waits between any two attempts."""
DOING = ("run", "tick", "init", "backfill", "prospects")
"""Commands of a status that change something; what it leaves to the sensor's next attempt is left to it."""
_COMMAND = re.compile(r"`v4 ([^`…]+)`")


@dataclass(frozen=True)
class Scene:
    """A part of the story."""

    name: str
    begins: Callable[[Path], None]
    """Makes the home it begins with."""
    day: date
    act: Callable[[Story], object]
    time: str = "06:30"
    by_person: bool = False
    """A person gives the command, sees it killed and gives it again; otherwise the daemon began it."""
    has_org: bool = True

    @property
    def home(self) -> Path:
        """The prepared home; copied, never written."""
        return prepared(f"chaos-{self.name}", self.begins)

    def story(self, home: Path) -> Story:
        """The story in a copy of the home."""
        return Story(home, self.day, self.time, dict(LOCAL) if self.has_org else {})


def played(scene: Scene, home: Path) -> None:
    """What is done in the scene."""
    with scene.story(home).measured():
        scene.act(scene.story(home))


def finished(scene: Scene, home: Path) -> None:
    """Leave the product to finish a scene that was killed, or to find that nothing is left to do.

    A person gives the killed command again. The sensors tick, and what the status tells a person to do is done.
    """
    story = scene.story(home)
    with story.measured():
        if scene.by_person:
            scene.act(story)
        if scene.name == "takeover":
            return
        done = set[str]()
        for _ in range(TICKS):
            tick = story.tick()
            to_do = [] if tick.outcomes else [one for one in status(story.settings)["to_do"] if _commands(one)]
            for one in to_do:
                assert one["what"] not in done, f"{one['do']} was done, and the status still says: {one['what']}"
                done.add(one["what"])
            for words in dict.fromkeys(words for one in to_do for words in _commands(one)):
                v4(story, *words)
            waits = "more ticks" in tick.said
            if not (tick.outcomes or to_do or waits):
                break
        story.alerts()


def _commands(to_do: dict[str, str]) -> list[tuple[str, ...]]:
    """What a line of the status tells a person to run."""
    found = [tuple(command.split()) for command in _COMMAND.findall(to_do["do"])]
    return [words for words in found if words[0] in DOING]


def v4(story: Story, *words: str) -> None:
    """A command of the operator's. Raises what it raises, and AssertionError where it ends with another code than 0."""
    result = CliRunner().invoke(cli, words, env=story.environment, prog_name="v4")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0 or words[0] == "tick", (words, result.output)


# --- the scenes -------------------------------------------------------------------------------------------------------


def _take_over(story: Story) -> None:
    v4(story, "takeover", "--yes")
    v4(story, "init")


def _begun_as(before: Path, home: Path) -> None:
    shutil.copytree(before, home, dirs_exist_ok=True)


def _run(home: Path) -> None:
    """Adopted, and an org that knows every lead."""
    _begun_as(home_of("adopted"), home)
    leads = Story(home, ADOPTED).read("SELECT Id FROM `SavvyGTMData`.`Lead`")
    with StandInOrg(home / "org", [row["Id"] for row in leads]):
        pass


def _backfill(home: Path) -> None:
    """The first morning was run."""
    _begun_as(SCENES["run"].home, home)
    with StandInOrg(home / "org"):
        outcome = SCENES["run"].story(home).run()
        assert outcome.success, outcome.errors


def _sync(home: Path) -> None:
    """The second morning was run while the org was down: the daemon finds that a sync is owed."""
    _begun_as(SCENES["backfill"].home, home)
    story = SCENES["backfill"].story(home)
    story.goes_on(ADOPTED + timedelta(days=1), "07:30")
    outcome = story.run()
    assert [error.split(":")[0] for error in outcome.errors] == ["salesforce_sync"], outcome.errors


def _promotion(home: Path) -> None:
    _synced(home, "seventh", BEFORE, GOOD, retrospective=True)


def _rollback(home: Path) -> None:
    _synced(home, "watched", SINCE[1:], FALLEN, retrospective=False)


def _synced(home: Path, begun: str, closes: tuple[date, ...], figures: Figures, *, retrospective: bool) -> None:
    """There is evidence for an action, and today's run has recorded the closes of it and filled the org."""
    _begun_as(home_of(begun), home)
    story = Story(home, DAYS[begun], env=dict(LOCAL))
    for day in closes:
        story.write(day, figures, retrospective=retrospective)
    leads = story.read("SELECT DISTINCT lead_id FROM `ml_features`.`v4_scored_leads`")
    with StandInOrg(home / "org", [row["lead_id"] for row in leads]):
        outcome = story.run()
        assert outcome.success, outcome.errors


def _month(home: Path) -> None:
    """The first of the next month, before its prospects are scored."""
    _begun_as(home_of("promoted"), home)
    Story(home, SEVENTH).goes_on(FEBRUARY)


def _sunset(home: Path) -> None:
    """The sunset was asked for and is approved."""
    _begun_as(home_of("late"), home)
    story = Story(home, LATE)
    operator_actions.approve(story.settings, story.evidence_sha256)


def _backfilled(story: Story) -> None:
    v4(story, "backfill", "--from", f"{ADOPTED - timedelta(days=2)}", "--to", f"{story.day}", "--evaluate")


def _ticked(story: Story) -> None:
    """As the daemon does, once."""
    story.tick()
    story.alerts()


SCENES = {
    scene.name: scene
    for scene in (
        Scene("takeover", firm_warehouse.made, firm_warehouse.DAY, _take_over, by_person=True, has_org=False),
        Scene("run", _run, ADOPTED, Story.run, time="07:30"),
        Scene("backfill", _backfill, ADOPTED, _backfilled, by_person=True),
        Scene("sync", _sync, ADOPTED + timedelta(days=1), _ticked, time="07:30"),
        Scene("promotion", _promotion, SEVENTH, _ticked),
        Scene("rollback", _rollback, WATCHED, _ticked),
        Scene("month", _month, FEBRUARY, lambda story: v4(story, "prospects", "run"), by_person=True, has_org=False),
        Scene("sunset", _sunset, LATE, _ticked, has_org=False),
    )
}
"""Name to scene, in the order of a rollout."""
