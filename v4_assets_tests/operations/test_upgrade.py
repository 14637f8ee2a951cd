"""An installation of release 0.1 in the middle of a watch is upgraded and goes on to the decision that release made.

The installation is one that release wrote itself (fixtures/release_0_1/README.md). What each schema version brought to
it is in BROUGHT, and nowhere else.
"""

import json
import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from v4_assets.cli.main import cli
from v4_assets.errors import SchemaVersionError
from v4_assets.report.headline import gates_of
from v4_assets.warehouse.schema import NEEDED
from v4_assets_tests.fixtures.make_release_fixture import DECISION, HOME
from v4_assets_tests.fixtures.stories import FALLEN, NEW, OLD, Story

SUNDAY, MONDAY = date(2026, 2, 8), date(2026, 2, 9)
"""The day it was left on, the close of its second failing week; and the day on which that is decided on."""
CLOCK_STANDS = "time zones"
"""The probe that warns in every story: the clock is fixed."""


def _versions_are_recorded(story: Story) -> None:
    """Schema 2: the schema versions, and the bundles that older rows stand for."""
    [row] = story.read("SELECT * FROM `ml_features`.`v4_schema` WHERE version = 2")
    assert (row["previous"], row["recorded_by"]) == (1, "v4 init")
    assert json.loads(row["facts"])["bundles"][NEW] == story.production.model_sha256


BROUGHT: dict[int, Callable[[Story], None]] = {
    2: _versions_are_recorded,
}
"""Schema version to what holds of the upgraded installation, before anything else is run: new columns read NULL in
older rows, new tables are empty, facts are recorded."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Release 0.1's home, unpacked elsewhere than it was written."""
    folder = tmp_path_factory.mktemp("release_0_1")
    with tarfile.open(HOME) as tar:
        tar.extractall(folder, filter="data")
    return Story(folder / "home", SUNDAY, time="18:00", candidate=FALLEN)


def v4(story: Story, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, env=story.environment, prog_name="v4")


def failing(story: Story) -> dict[str, str]:
    """Probes of `v4 doctor` that are not ok."""
    told = json.loads(v4(story, "doctor", "--json").output)
    return {one["probe"]: one["found"] for one in told if one["verdict"] != "ok" and one["probe"] != CLOCK_STANDS}


def decided(story: Story) -> dict[str, object]:
    """The decision in the words of decision.json."""
    started = story.events[-2]
    assert started.evidence_day
    return {
        "live": story.live,
        "happened": story.happened,
        "event": started.event,
        "version": started.version,
        "previous": started.previous,
        "decided_by": started.decided_by,
        "day": started.day.isoformat(),
        "evidence_day": started.evidence_day.isoformat(),
        "gates": {gate.name: [gate.verdict.name, gate.actual] for gate in gates_of(started)},
    }


def test_every_schema_version_has_its_say_here():
    assert list(BROUGHT) == list(range(2, NEEDED + 1))


def test_an_installation_of_release_0_1_is_upgraded_in_its_watch_and_rolls_back_as_that_release_did(story):
    # Before the upgrade.
    refused = v4(story, "status")
    assert isinstance(refused.exception, SchemaVersionError)
    due = failing(story)
    assert set(due) == {"schema version", "tables and views", "live version", "unfinished order"}
    assert (
        due["schema version"]
        == due["live version"]
        == f"The warehouse is of schema 1, this release needs {NEEDED}: run `v4 init`."
    )

    # The upgrade.
    assert v4(story, "init").output == f"The warehouse was upgraded from schema 1 to {NEEDED}. {NEW} is live.\n"
    assert v4(story, "init").output == f"{NEW} is live.\n"
    assert failing(story) == {}
    for brought in BROUGHT.values():
        brought(story)

    # What was recorded before holds: live version, events, the sensors' cursors, the runs.
    assert (story.live, story.happened) == (NEW, ["adopted", "promotion_started", "promotion_completed"])
    assert story.ran("lift_comparison") == 1
    assert story.alerts() == ""
    tick = story.tick()
    assert (tick.outcomes, story.live) == ((), NEW)

    # The watch goes on.
    story.goes_on(MONDAY, "06:30")
    outcome = story.run()
    assert outcome.success, outcome.errors
    tick = story.tick()
    assert len(tick.outcomes) == 1, tick.said
    assert tick.outcomes[0].success, tick.outcomes[0].errors
    assert decided(story) == json.loads(DECISION.read_text(encoding="utf-8"))
    assert story.live == OLD
    assert failing(story) == {}


def test_the_fixture_is_small_and_names_no_place_but_the_one_it_was_made_in():
    assert HOME.stat().st_size < 2 * 2**20
    with tarfile.open(HOME) as tar:
        config = tar.extractfile("home/dagster/dagster.yaml")
        assert config is not None
        text = config.read()
        assert {entry.uname for entry in tar.getmembers()} == {""}
    assert b"/tmp" not in text
    assert Path(DECISION).is_file()
