"""Whatever happens to a promotion or a rollback on its way, the next looks carry it through to the same end.

The CRM is the stand-in org, over HTTP. What is killed is a process of its own, by SIGKILL, at one of the steps.
"""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from itertools import cycle
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from salesforce_stand_in import StandInOrg, local_target
from v4_assets import resources
from v4_assets.config.environment import Settings, load
from v4_assets.names import SYNC_JOB
from v4_assets.operations import local_runs, operator_actions
from v4_assets.production import archive as archive_asset
from v4_assets.production import assets as production_asset
from v4_assets.report import assets as report_assets
from v4_assets.resources import registry
from v4_assets.salesforce import assets as salesforce_assets
from v4_assets.salesforce.client.client import SalesforceClient
from v4_assets.salesforce.client.http import Patience
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.sparing import draw_nothing
from v4_assets_tests.fixtures.stories import BEFORE, DAYS, FALLEN, GOOD, NEW, OLD, SINCE, WATCHED, Story, home_of, tell

pytestmark = pytest.mark.extended

Environment = dict[str, str]
Telling = Callable[[str], AbstractContextManager[tuple[Story, StandInOrg]]]
STEPS: dict[str, tuple[object, str, bool]] = {
    "before the switch": (production_asset, "start", True),
    "after the switch": (production_asset, "start", False),
    "before the sync": (salesforce_assets, "live_scores", True),
    "in the middle of the sync": (SalesforceClient, "upload", False),
    "before the report": (report_assets, "gather", True),
    "before the completion": (report_assets, "complete", True),
    "after the completion": (report_assets, "complete", False),
}
"""What is killed before (True) or after (False) it does its work; promotions and rollbacks in turn."""
SALESFORCE = re.compile(r"## Salesforce\n.*?(?=\n## )", re.DOTALL)
"""The section of a report that counts what its own run sent; a resumed one sends the rest."""
KINDS = {"promotion": ("seventh", OLD, NEW), "rollback": ("watched", NEW, OLD)}
"""Kind of action to the home before it, what the org carries then, and what it must carry afterwards."""

SUNSET_STEPS: dict[str, tuple[object, str, bool]] = {
    "after its beginning": (archive_asset, "start", False),
    "in the middle of the archiving": (archive_asset, "verify", True),
    "before the completion": (report_assets, "complete", True),
}
"""The report of a sunset is killed at where that of a promotion is."""


# --- in a process of its own ---------------------------------------------------------------------------------------


def killed(environment: Environment, step: str) -> None:
    """One look of the sensor that ends at a step."""
    owner, name, before = (STEPS | SUNSET_STEPS)[step]
    real = getattr(owner, name)

    def fatal(*args: Any, **kwargs: Any) -> None:
        if not before:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(owner, name, fatal), impatient():
        operator_actions.tick(load(environment))


def looks(environment: Environment, together: Barrier) -> None:
    """One look of the sensor whose run begins when everybody has decided on one. Exit code 0 when it went through."""
    real = operator_actions._carried_out

    def at_once(*args: Any) -> local_runs.Outcome:
        together.wait(300)
        return real(*args)

    with impatient(), patch.object(operator_actions, "_carried_out", at_once):
        [outcome] = operator_actions.tick(load(environment)).outcomes
    print(*outcome.errors, sep="\n", end="", file=sys.stderr, flush=True)
    os._exit(0 if outcome.success else 1)


@contextmanager
def impatient() -> Iterator[None]:
    """An org that does not answer is given up at once."""

    def client(settings: Settings) -> SalesforceClient | None:
        if settings.salesforce != "local":
            return None
        patience = Patience(waits=(0.0,), read_seconds=60.0, sleep=lambda _: None)
        return SalesforceClient(partial(local_target, settings.stand_in_org), patience)

    with patch.object(resources, "salesforce", client):
        yield


# --- the stage -----------------------------------------------------------------------------------------------------


def synced(kind: str) -> Path:
    """A prepared home whose org carries what is live, and evidence for the action to come."""

    def make(home: Path) -> None:
        begun = KINDS[kind][0]
        shutil.copytree(home_of(begun), home, dirs_exist_ok=True)
        story = Story(home, DAYS[begun], env={"V4_SALESFORCE": "local"})
        decided = {"promotion": (BEFORE, GOOD), "rollback": (SINCE[1:], FALLEN)}[kind]
        for day in decided[0]:
            story.write(day, decided[1], retrospective=kind == "promotion")
        leads = story.read("SELECT DISTINCT lead_id FROM `ml_features`.`v4_scored_leads`")
        with StandInOrg(story.home / "org", [row["lead_id"] for row in leads]):
            outcome = local_runs.run_job(story.settings, SYNC_JOB, partition=story.day)
        assert outcome.success, outcome.errors

    return prepared(f"synced-{kind}", make)


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    """Begins a story in which an action is due, with its org."""

    @contextmanager
    def begun(kind: str) -> Iterator[tuple[Story, StandInOrg]]:
        draw_nothing()
        home = copy(synced(kind), tmp_path / kind)
        story = Story(home, DAYS[KINDS[kind][0]], env={"V4_SALESFORCE": "local"})
        with StandInOrg(home / "org") as org, impatient():
            yield story, org

    return begun


def end_of(story: Story, org: StandInOrg) -> dict[str, Any]:
    """Everything an action leaves behind, without the ids of the runs it took."""
    reports = story.settings.places.reports
    pages = {name: SALESFORCE.sub("", (reports / name).read_text(encoding="utf-8")) for name in story.reports}
    return {
        "production": asdict(story.production),
        "events": [asdict(event) | {"run_id": None} for event in story.events],
        "registry": story.settings.places.registry.read_text(encoding="utf-8"),
        "reports": pages,
        "charts": sorted(path.name for path in reports.glob("*.png")),
        "unfinished": sorted(path.name for path in reports.glob("*.new")),
        "org": org.rows(),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """How an action ends that nothing happens to."""
    known: dict[str, dict[str, Any]] = {}

    def end(kind: str) -> dict[str, Any]:
        if kind not in known:
            draw_nothing()
            home = copy(synced(kind), tmp_path_factory.mktemp("undisturbed") / kind)
            story = Story(home, DAYS[KINDS[kind][0]], env={"V4_SALESFORCE": "local"})
            with StandInOrg(home / "org") as org, impatient():
                [outcome] = story.tick().outcomes
                assert outcome.success, outcome.errors
                known[kind] = end_of(story, org)
        return known[kind]

    return end


def carried(org: StandInOrg) -> set[Any]:
    """The versions the org's leads carry."""
    return {row["V4_Model_Version__c"] for row in org.rows().values()} - {None}


# --- the stories ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_undisturbed_an_action_ends_with_warehouse_registry_org_and_report_on_the_new_version(undisturbed, kind):
    end, version = undisturbed(kind), KINDS[kind][2]
    assert end["production"]["version"] == version
    assert [event["event"] for event in end["events"]][-2:] == [f"{kind}_started", f"{kind}_completed"]
    assert end["unfinished"] == []
    assert f'"production": "{version}"' in end["registry"]
    assert version in {row["V4_Model_Version__c"] for row in end["org"].values()}
    [page] = [text for name, text in end["reports"].items() if f"-{kind}-" in name]
    assert f"{kind}_completed" in page


@pytest.mark.parametrize(("step", "kind"), zip(STEPS, cycle(KINDS), strict=False))
def test_killed_at_a_step_an_action_is_resumed_by_the_next_look_and_ends_the_same(
    begin_story, undisturbed, processes, step, kind
):
    with begin_story(kind) as (story, org):
        child = processes.Process(target=killed, args=(story.environment, step))
        child.start()
        child.join(300)
        assert child.exitcode == -signal.SIGKILL
        left = story.happened
        tick = story.tick()
        assert [outcome.success for outcome in tick.outcomes] == ([] if step == "after the completion" else [True])
        assert end_of(story, org) == undisturbed(kind)
        assert story.happened[: len(left)] == left
        assert story.tick().outcomes == ()


@pytest.mark.parametrize("step", SUNSET_STEPS)
def test_killed_at_a_step_a_sunset_is_resumed_by_the_next_look(tmp_path, processes, step):
    story = tell("late", tmp_path / "home")
    operator_actions.approve(story.settings, story.evidence_sha256)
    child = processes.Process(target=killed, args=(story.environment, step))
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    assert (story.happened[-1], story.live) == ("sunset_started", NEW)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.happened[-3:] == ["approved", "sunset_started", "sunset_completed"]
    assert story.exported == {OLD: "archived", NEW: "production"}
    [folder] = story.settings.places.archive.iterdir()
    assert archive_asset.verify(folder) == dict(registry(story.settings).entry(OLD).files)
    assert story.tick().outcomes == ()


def test_two_sensors_that_look_at_once_switch_once(begin_story, undisturbed, processes):
    with begin_story("rollback") as (story, org):
        together = processes.Barrier(2)
        children = [processes.Process(target=looks, args=(story.environment, together)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(300)
        assert [child.exitcode for child in children] == [0, 0]
        assert story.tick().outcomes == ()
        assert end_of(story, org) == undisturbed("rollback")


def test_a_rollback_is_completed_when_the_crm_is_back_after_three_looks(begin_story, undisturbed):
    with begin_story("rollback") as (story, org):
        org.faults.set(down=True)
        first, second, third = story.tick(), story.tick(), story.tick()
        assert [[outcome.success for outcome in tick.outcomes] for tick in (first, second, third)] == [[False]] * 2 + [
            []
        ]
        assert third.said == "rollback to v4.0.0: attempt 3 comes after 1 more ticks"
        assert "salesforce_sync: " in first.outcomes[0].errors[0]
        assert (story.live, story.happened[-1], carried(org)) == (OLD, "rollback_started", {NEW})
        assert "The rollback to v4.0.0 is not finished: attempt 3 follows." in story.alerts()
        org.faults.clear()
        [outcome] = story.tick().outcomes
        assert outcome.success, outcome.errors
        assert end_of(story, org) == undisturbed("rollback")


def test_an_action_that_fails_again_and_again_is_given_up_and_told_and_resumed_by_a_person(begin_story, undisturbed):
    with begin_story("rollback") as (story, org):
        story.rule("max_attempts: 6", "max_attempts: 2")
        org.faults.set(down=True)
        assert [len(story.tick().outcomes) for _ in range(4)] == [1, 1, 0, 0]
        assert story.tick().said == "rollback to v4.0.0: it was tried 2 times"
        given_up = "The rollback to v4.0.0 was given up, it was tried 2 times. `v4 resume` tries once more."
        assert given_up in story.alerts()
        assert story.alerts() == ""
        org.faults.clear()
        assert story.tick().outcomes == ()
        assert operator_actions.resume(story.settings).success
        assert end_of(story, org) == undisturbed("rollback")


def test_what_is_open_at_night_waits_for_the_next_morning_and_is_completed_by_its_run(begin_story):
    with begin_story("rollback") as (story, org):
        org.faults.set(down=True)
        assert not story.tick().outcomes[0].success
        org.faults.clear()
        story.goes_on(WATCHED.replace(day=3), "00:05")
        tick = story.tick()
        assert tick.outcomes == ()
        assert "and waits for scores of 2026-02-03 that passed: v4_scored_leads has no rows of 2026-02-03" in tick.said
        assert "2026-02-03" not in story.alerts()
        story.goes_on(time="07:30")
        assert story.alerts().startswith("Held in rolled_back: rollback_started (v4.0.0) of 2026-02-02 is completed")
        assert story.run().success
        assert (story.live, story.happened[-1]) == (OLD, "rollback_completed")
        assert story.reports[-1].startswith("2026-02-02-rollback-v4.0.0-")
        assert story.exported == {OLD: "production", NEW: "deprecated"}


def test_the_prepared_homes_are_left_as_they_were():
    assert Story(home_of("watched"), WATCHED).live == NEW
