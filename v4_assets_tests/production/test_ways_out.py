"""There is a way out of everything: a rollback supersedes what is unfinished, a hold stops what is automatic.

What a person overrides is shown, confirmed and recorded. The live version and the one Salesforce carries are compared.
"""

import html
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import filelock
import pytest
from click.testing import CliRunner, Result

from salesforce_stand_in import StandInOrg, local_target
from v4_assets import resources
from v4_assets.cli.main import cli
from v4_assets.config.salesforce import is_record_id, to_18
from v4_assets.errors import PolicyError, SalesforceError
from v4_assets.names import ROLLOUT_PAGE
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.status import status
from v4_assets.production import archive as archive_asset
from v4_assets.production.orders import Kind, hold_at
from v4_assets.production.recorded_syncs import Delivery
from v4_assets.resources import RELEASED_FROM_SECONDS
from v4_assets.salesforce.client.http import Patience
from v4_assets_tests.fixtures.stories import BEFORE, FALLEN, GOOD, NEW, OLD, SEVENTH, SINCE, Story, tell

pytestmark = pytest.mark.extended

WHY = "the phones are silent"
ADOPTED = ["adopted"]
SUPERSEDED = ["promotion_started", "rollback_started", "rollback_completed"]


@contextmanager
def with_org(name: str, home: Path) -> Iterator[tuple[Story, StandInOrg]]:
    """A prepared home with an org that has every lead; a promotion is due where the home is `seventh`."""
    story = tell(name, home, V4_SALESFORCE="local")
    for day in BEFORE if name == "seventh" else ():
        story.write(day, GOOD, retrospective=True)
    rows = story.read("SELECT DISTINCT Id FROM `SavvyGTMData`.`Lead`")
    with StandInOrg(
        story.home / "org", sorted({to_18(row["Id"]) for row in rows if is_record_id(row["Id"] or "")})
    ) as org:
        yield story, org


def v4(story: Story, *arguments: str, typed: str = "") -> Result:
    with patch.object(local_runs, "operator", lambda: "ada (v4)"):
        return CliRunner().invoke(cli, arguments, env=story.environment, prog_name="v4", input=typed)


def versions(org: StandInOrg) -> set[str]:
    return {str(row["V4_Model_Version__c"]) for row in org.rows().values() if row["V4_Model_Version__c"]}


def to_do(story: Story) -> str:
    return "\n".join(one["what"] for one in status(story.settings)["to_do"])


# --- superseding ---------------------------------------------------------------------------------------------------


def test_a_rollback_by_hand_supersedes_a_promotion_that_the_org_keeps_from_its_end(tmp_path):
    with with_org("seventh", tmp_path / "home") as (story, org):
        org.faults.set(down=True)
        assert not story.tick().outcomes[0].success
        assert (story.live, story.happened[-1]) == (NEW, "promotion_started")
        result = v4(story, "rollback", "--reason", WHY)
        assert (result.exit_code, story.live) == (1, OLD)
        assert story.events[-1].reason == (
            f"{WHY} It supersedes promotion_started of 2026-01-11, which was not completed."
        )
        org.faults.clear()
        [outcome] = story.tick().outcomes
        assert outcome.success, outcome.errors
        assert story.happened[1:] == SUPERSEDED
        assert (versions(org), story.exported[NEW]) == ({OLD}, "deprecated")
        assert story.tick().outcomes == ()


def test_a_rollback_in_the_middle_of_the_promotions_sync_leaves_the_org_with_the_live_version(tmp_path):
    with with_org("seventh", tmp_path / "home") as (story, org):
        assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
        org.faults.row("UNABLE_TO_LOCK_ROW", sorted(org.rows())[:40], times=99)
        assert not story.tick().outcomes[0].success
        assert versions(org) == {OLD, NEW}
        assert status(story.settings)["salesforce"]["today_done"] is False
        org.faults.clear()
        assert v4(story, "rollback", "--reason", WHY).exit_code == 0
        assert (versions(org), story.happened[1:]) == ({OLD}, SUPERSEDED)
        assert status(story.settings)["salesforce"]["today_done"] is True


def test_a_rollback_supersedes_a_sunset_that_cannot_be_archived(tmp_path):
    story = tell("promoted", tmp_path / "home")
    with patch.object(archive_asset, "archive", side_effect=OSError(28, "No space left on device")):
        assert not operator_actions.order(story.settings, "sunset", OLD, "its feed ends").success
    assert story.happened[-1] == "sunset_started"
    assert operator_actions.order(story.settings, "rollback", OLD, WHY).success
    assert story.happened[-3:] == ["sunset_started", "rollback_started", "rollback_completed"]
    assert (story.live, story.exported[OLD]) == (OLD, "production")


def test_the_sensor_rolls_back_although_the_promotion_was_never_completed(tmp_path):
    story = tell("watched", tmp_path / "home")
    story.change("DELETE FROM ml_features.v4_deployments WHERE event = 'promotion_completed'")
    assert story.tick().said.startswith("promote_production for 2026-02-02, ")  # healthy: it is resumed
    story.change("DELETE FROM ml_features.v4_deployments WHERE event = 'promotion_completed'")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.happened[1:] == SUPERSEDED
    assert story.events[-2].reason.endswith("It supersedes promotion_started of 2026-01-11, which was not completed.")


def test_nothing_but_a_rollback_supersedes_and_a_rollback_is_not_superseded(tmp_path):
    story = tell("watched", tmp_path / "home", V4_SALESFORCE="local")
    assert v4(story, "rollback", "--reason", WHY).exit_code == 1  # the stand-in org is not there
    orders: tuple[tuple[Kind, str], ...] = (("promotion", NEW), ("sunset", NEW), ("rollback", OLD))
    for kind, version in orders:
        with pytest.raises(PolicyError, match="rollback_started of 2026-02-02 is not completed"):
            operator_actions.order(story.settings, kind, version, "another")


# --- a hold --------------------------------------------------------------------------------------------------------


@pytest.fixture
def convicted(tmp_path) -> Story:
    """A rollback is due."""
    story = tell("watched", tmp_path / "home")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    return story


def test_a_hold_stops_the_sensor_and_not_the_alerts_and_ends_at_its_instant(convicted):
    result = v4(convicted, "hold", "--reason", "the feed is checked", "--until", "2026-02-02T12:00")
    assert (result.exit_code, result.output.splitlines()[0]) == (
        0,
        "On hold until 2026-02-02 12:00 in New York, by ada (v4): the feed is checked.",
    )
    tick = convicted.tick()
    assert (tick.outcomes, convicted.live) == ((), NEW)
    waits = "The rollback to v4.0.0 waits for its end: top_decile_lift failed at 2 consecutive week-closes."
    assert tick.said.startswith(f"hold: {result.output.splitlines()[0]} {waits}")
    assert waits in convicted.alerts()
    assert waits in to_do(convicted)
    assert "Hold       until 2026-02-02 17:00 UTC, by ada (v4)" in v4(convicted, "status").output
    convicted.goes_on(time="11:59")
    assert convicted.tick().outcomes == ()
    convicted.goes_on(time="12:00")
    [outcome] = convicted.tick().outcomes
    assert outcome.success, outcome.errors
    assert convicted.live == OLD


def test_a_rollback_by_hand_passes_a_hold_with_its_sync(tmp_path):
    with with_org("promoted", tmp_path / "home") as (story, org):
        assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
        operator_actions.begin_hold(story.settings, "quiet week", datetime(2026, 1, 20, tzinfo=UTC))
        assert v4(story, "rollback", "--reason", WHY).exit_code == 0
        assert (story.live, versions(org), story.happened[-1]) == (OLD, {OLD}, "rollback_completed")


def test_during_a_hold_the_daily_run_scores_and_judges_and_sends_nothing_until_it_is_ended(tmp_path):
    with with_org("promoted", tmp_path / "home") as (story, org):
        operator_actions.begin_hold(story.settings, "quiet week", datetime(2026, 1, 20, tzinfo=UTC))
        story.goes_on(date(2026, 1, 12))
        outcome = story.run()
        assert outcome.success, outcome.errors
        assert story.ran("lift_comparison") == story.ran("rollout_report") == 1
        assert versions(org) == set()
        assert (story.tick().outcomes, versions(org)) == ((), set())
        story.goes_on(time="08:00")
        assert "has not received v4.1.0's scores of 2026-01-12: On hold until 2026-01-19 19:00" in story.alerts()
        assert v4(story, "hold", "--end", "--reason", "all is well").exit_code == 0
        [synced] = story.tick().outcomes
        assert (synced.success, versions(org)) == (True, {NEW})
        assert story.happened[-2:] == ["held", "released"]


def test_during_a_hold_nothing_unfinished_is_resumed_by_sensor_or_daily_run_but_by_a_person(tmp_path):
    with with_org("seventh", tmp_path / "home") as (story, org):
        org.faults.set(down=True)
        assert not story.tick().outcomes[0].success
        org.faults.clear()
        operator_actions.begin_hold(story.settings, "quiet week", datetime(2026, 1, 20, tzinfo=UTC))
        assert story.tick().outcomes == ()
        assert story.run().success
        assert (story.happened[-2:], versions(org)) == (["promotion_started", "held"], set())
        assert operator_actions.resume(story.settings).success
        assert (story.happened[-1], versions(org)) == ("promotion_completed", {NEW})


def test_a_run_that_the_sensor_launched_before_the_hold_does_not_switch_during_it(convicted):
    late = operator_actions.tick.__globals__["_carried_out"]

    def held_first(*arguments: object) -> local_runs.Outcome:
        operator_actions.begin_hold(convicted.settings, "wait", convicted.settings.clock.now() + timedelta(hours=1))
        outcome: local_runs.Outcome = late(*arguments)
        return outcome

    with patch.object(operator_actions, "_carried_out", held_first):
        [outcome] = convicted.tick().outcomes
    assert not outcome.success
    assert "`v4 hold --end` ends it" in outcome.errors[0]
    assert (convicted.live, convicted.happened[-1]) == (NEW, "held")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--until", "2026-02-02"), "is not after now"),
        (("--until", "tomorrow"), "is not an instant"),
        (("--end",), "Nothing is on hold"),
        ((), "Give either --until WHEN"),
        (("--until", "2026-02-03", "--end"), "Give either --until WHEN"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(tmp_path, arguments, said):
    story = tell("watched", tmp_path / "home")
    before = story.happened
    result = v4(story, "hold", "--reason", "why", *arguments)
    assert said in f"{result.output} {result.exception}"
    assert story.happened == before


def test_a_later_hold_replaces_an_earlier_one_and_an_ended_one_is_over(convicted):
    now = convicted.settings.clock.now()
    operator_actions.begin_hold(convicted.settings, "first", now + timedelta(days=9))
    second = operator_actions.begin_hold(convicted.settings, "second", now + timedelta(days=1))
    found = hold_at(convicted.events, now)
    assert (found and found.event_id) == second.event_id
    assert hold_at(convicted.events, now + timedelta(days=1)) is None
    operator_actions.end_hold(convicted.settings, "over")
    assert hold_at(convicted.events, now) is None


# --- overrides -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["n\n", ""], ids=["refused", "no answer"])
def test_a_promotion_against_its_gates_says_what_it_overrides_and_does_nothing_unconfirmed(tmp_path, typed):
    story = tell("seventh", tmp_path / "home")
    result = v4(story, "promote", "--reason", "the board wants it", typed=typed)
    assert "This overrides: v4.1.0 waits: 0 of 2 consecutive weeks closed" in result.output
    assert str(result.exception) == "Not confirmed, so nothing was changed. `--yes` does it without asking."
    assert story.happened == ADOPTED


@pytest.mark.parametrize(("options", "typed"), [(("--yes",), ""), ((), "y\n")], ids=["--yes", "asked"])
def test_a_confirmed_override_is_recorded_with_the_gates_it_overrides(tmp_path, options, typed):
    story = tell("seventh", tmp_path / "home")
    story.candidate = GOOD | {"auc": 0.5}
    assert story.run(replace_live="the outcomes were loaded again").success
    result = v4(story, "promote", "--reason", "the board wants it", *options, typed=typed)
    assert result.exit_code == 0, result.output
    started = story.events[1]
    assert started.reason.startswith("the board wants it (overrides: v4.1.0 waits: 0 of 2 consecutive weeks closed")
    assert "promotion_auc" in {one["name"] for one in json.loads(started.gates or "[]")}


def test_what_the_sensor_would_do_itself_overrides_nothing(tmp_path):
    story = tell("seventh", tmp_path / "home")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    result = v4(story, "promote", "--reason", "it is Sunday")
    assert (result.exit_code, story.events[1].reason) == (0, "it is Sunday")


def test_a_sunset_without_healthy_days_is_an_override_and_an_asked_one_is_not(tmp_path):
    young = tell("promoted", tmp_path / "young")
    refused = v4(young, "sunset", "--reason", "its feed ends")
    assert "The sunset of v4.0.0 waits for 0 of 14 healthy days" in refused.output
    assert young.happened[-1] == "promotion_completed"
    late = tell("late", tmp_path / "late")
    assert v4(late, "sunset", "--reason", "its feed ends").exit_code == 0
    assert late.events[-1].event == "sunset_completed"
    assert late.events[-2].reason == "its feed ends"


def test_a_promotion_during_a_hold_overrides_the_hold(tmp_path):
    story = tell("seventh", tmp_path / "home")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    operator_actions.begin_hold(story.settings, "quiet week", datetime(2026, 1, 20, tzinfo=UTC))
    refused = v4(story, "promote", "--reason", "it is Sunday")
    assert "This overrides: On hold until 2026-01-19 19:00 in New York" in refused.output
    assert story.live == OLD
    assert v4(story, "promote", "--reason", "it is Sunday", "--yes").exit_code == 0
    assert (story.live, "(overrides: On hold until" in story.events[2].reason) == (NEW, True)


# --- live and synced -----------------------------------------------------------------------------------------------


def sync_row(day: date, version: str, *, sent: int = 9, owed: str | None = None, at: int = 6) -> dict[str, object]:
    ended = datetime(day.year, day.month, day.day, at, tzinfo=UTC)
    return {"prediction_date": day, "model_version": version, "sent": sent, "owed": owed, "ended_at": ended}


def test_scores_delivered_before_another_version_was_sent_are_not_delivered_now():
    morning, noon = sync_row(SEVENTH, OLD), sync_row(SEVENTH, NEW, at=12)
    assert Delivery([morning]).owed(SEVENTH, OLD) is None
    assert Delivery([morning, noon]).owed(SEVENTH, OLD) == "it carries v4.1.0's scores"
    assert Delivery([morning, noon]).differs_from(OLD) == NEW
    failed = sync_row(SEVENTH, OLD, sent=0, owed="the org is down", at=13)
    assert Delivery([morning, noon, failed]).owed(SEVENTH, OLD) == "it carries v4.1.0's scores: the org is down"
    assert Delivery([morning, noon, sync_row(SEVENTH, OLD, at=13)]).owed(SEVENTH, OLD) is None
    assert Delivery([morning, sync_row(SEVENTH, NEW, sent=0, owed="the org is down", at=12)]).owed(SEVENTH, OLD) is None


def test_scores_delivered_before_the_version_went_live_again_are_not_delivered_now():
    morning, noon = sync_row(SEVENTH, OLD), datetime(2026, 1, 11, 12, tzinfo=UTC)
    assert Delivery([morning]).owed(SEVENTH, OLD, noon) == "no sync has ended since v4.0.0 went live"
    assert Delivery([morning]).owed(SEVENTH, OLD, datetime(2026, 1, 11, 6, tzinfo=UTC)) is None


def test_an_org_with_another_version_than_the_live_one_is_named_at_any_hour_and_put_right(tmp_path):
    with with_org("promoted", tmp_path / "home") as (story, org):
        assert local_runs.run_job(story.settings, "sync_salesforce", partition=story.day).success
        # Someone edits production back to the older version, row and record alike.
        story.change("DELETE FROM ml_features.v4_deployments WHERE event LIKE 'promotion%'")
        story.change(
            "UPDATE ml_features.v4_production SET version = 'v4.0.0', scores_table = 'v4_daily_scores', "
            "event_id = (SELECT event_id FROM ml_features.v4_deployments LIMIT 1)"
        )
        assert "Salesforce has not received v4.0.0's scores of 2026-01-11: it carries v4.1.0's scores" in to_do(story)
        assert "it carries v4.1.0's scores, which is not live" in v4(story, "status").output
        assert versions(org) == {NEW}


def test_while_an_org_that_does_not_answer_is_asked_again_others_use_the_warehouse(tmp_path, monkeypatch):
    with with_org("adopted", tmp_path / "home") as (story, org):
        file, free = story.settings.duckdb_file, []

        def asleep(seconds: float) -> None:
            if seconds >= RELEASED_FROM_SECONDS:
                with filelock.FileLock(file.with_name(f"{file.name}.lock")).acquire(timeout=0):
                    free.append(seconds)

        org.faults.set(down=True)
        real = {"salesforce": "salesforce", "salesforce_target": local_target(story.home / "org")}
        settings = story.settings.model_copy(update=real)
        crm, record = resources.crm(settings), resources.store(settings)
        assert crm.org is not None
        monkeypatch.setattr(time, "sleep", asleep)
        with record.session(), pytest.raises(SalesforceError):
            crm.org.identity()
        assert len(free) == len(Patience().waits)
        assert record.live() == OLD


# --- failing gates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["seventh", "watched"])
def test_the_status_exits_with_1_while_the_live_version_fails_a_rollback_gate_in_any_phase(tmp_path, name):
    story = tell(name, tmp_path / "home")
    assert "is live and fails" not in v4(story, "status").output
    story.candidate = story.champion = FALLEN
    assert story.run(replace_live="the outcomes were loaded again").success
    result = v4(story, "status")
    live = {"seventh": OLD, "watched": NEW}[name]
    assert result.exit_code == 1
    assert f"To do      {live} is live and fails top_decile_lift: {live}'s top-decile lift is 1.20" in result.output


def test_on_the_day_of_a_rollback_the_version_that_is_live_now_is_not_blamed_for_what_the_other_failed(tmp_path):
    story = tell("watched", tmp_path / "home")
    story.candidate = story.champion = FALLEN
    assert story.run(replace_live="the outcomes were loaded again").success
    assert f"{NEW} is live and fails top_decile_lift" in to_do(story)
    assert operator_actions.order(story.settings, "rollback", OLD, WHY).success
    assert "is live and fails" not in to_do(story)


@pytest.mark.parametrize(
    ("name", "live"), [pytest.param("watched", OLD, id="rolled back"), pytest.param("sunset", NEW, id="after a sunset")]
)
def test_a_version_that_is_left_alone_and_fails_is_an_open_problem_that_names_it(tmp_path, name, live):
    story = tell(name, tmp_path / "home")
    if name == "watched":
        assert operator_actions.order(story.settings, "rollback", OLD, WHY).success
    story.goes_on(story.day + timedelta(days=1))
    story.candidate = story.champion = FALLEN
    outcome = story.run()
    assert outcome.success, outcome.errors
    named = f"{live}'s top-decile lift is 1.20, below 1.50 by more than chance explains"
    page = (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
    assert f"top_decile_lift fails today: {named}" in html.unescape(page)
    result = v4(story, "status")
    assert (result.exit_code, story.live) == (1, live)
    assert f"{live} is live and fails top_decile_lift: {named}" in " ".join(result.output.split())
