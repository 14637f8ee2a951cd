"""Stories of promotion and rollback, told through Dagster: the day's real job, its checks, the sensor, the jobs."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import dagster as dg
import pytest

from v4_assets import runs
from v4_assets.definitions import build
from v4_assets.errors import PolicyError
from v4_assets.names import (
    ACTION_JOBS,
    DAILY_JOB,
    EVALUATION_JOB,
    FIRST_ASSETS,
    PROCESS_TAG,
    ROLLOUT_PAGE,
    SCORING_JOB,
    SYNC_JOB,
)
from v4_assets.operations import local_runs, operator_actions
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.status import status
from v4_assets.production import recorded_orders
from v4_assets.production.decision import Action, Decision, Verdict
from v4_assets.production.orders import Order
from v4_assets.production.status import read_status
from v4_assets.report import assets as report_assets
from v4_assets.report import charts, publishing
from v4_assets.report.figure_tables import gates_of
from v4_assets.resources import store
from v4_assets.runs import this_process
from v4_assets_tests.fixtures.stories import (
    BEFORE,
    DOUBTFUL,
    FALLEN,
    GOOD,
    NEW,
    OLD,
    POOR_MARKET,
    POORER_MARKET,
    SEVENTH,
    SINCE,
    WATCHED,
    Story,
    tell,
)

ADOPTED, PROMOTED = ["adopted"], ["adopted", "promotion_started", "promotion_completed"]
ROLLED_BACK = [*PROMOTED, "rollback_started", "rollback_completed"]
MIDDLING = {"top_conversions": 32.0}
"""Lift 1.6: not below 1.5, and below 2.0 by more than chance explains."""
Telling = Callable[..., Story]


@pytest.fixture
def begin_story(tmp_path) -> Telling:
    """Begins a story with a copy of a prepared home."""
    return lambda name, **env: tell(name, tmp_path / "home", **env)


def served(story: Story) -> set[str]:
    """The versions whose scores of today readers see."""
    return {
        row["model_version"]
        for row in story.read(
            "SELECT DISTINCT model_version FROM `ml_features`.`v4_production_scores` "
            f"WHERE prediction_date = DATE '{story.day}'"
        )
    }


def stale_order(story: Story, expected_event_id: str) -> dict[str, object]:
    """Run config of a rollback that was decided when another switch was the last one."""
    order = Order("stale", "rollback", OLD, NEW, expected_event_id, "two bad weeks", "rollout_sensor")
    config = recorded_orders.give(store(story.settings), order, story.settings.clock.now())
    return {"ops": {FIRST_ASSETS["rollback"]: {"config": config}}}


# --- promotion -----------------------------------------------------------------------------------------------------


def test_six_live_days_are_too_few_however_good_the_weeks(begin_story):
    story = begin_story("sixth")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    tick = story.tick()
    assert tick.outcomes == ()
    assert tick.said.startswith("hold: v4.1.0 waits: ")
    assert "6 of 7 days in parallel" in tick.said
    assert (story.live, story.happened) == (OLD, ADOPTED)


@pytest.mark.extended
def test_seven_live_days_wait_for_a_second_good_week(begin_story):
    story = begin_story("seventh")
    assert "0 of 2 consecutive weeks closed with a lift of at least 2." in story.tick().said
    story.write(BEFORE[1], GOOD, retrospective=True)
    assert "1 of 2 consecutive weeks closed with a lift of at least 2 (2026-W01)." in story.tick().said
    story.write(BEFORE[0], DOUBTFUL, retrospective=True)
    assert "1 of 2 consecutive weeks" in story.tick().said
    assert (story.live, story.happened) == (OLD, ADOPTED)


def test_on_the_seventh_day_with_two_good_weeks_the_candidate_goes_live_with_its_reasons(begin_story):
    story = begin_story("promoted")
    started = story.events[1]
    assert story.happened == PROMOTED
    assert (started.version, started.previous, started.decided_by, started.day) == (NEW, OLD, "rollout_sensor", SEVENTH)
    assert (started.evidence_day, started.evidence_sha256) == (SEVENTH, story.evidence_sha256)
    assert started.reason.startswith(
        "v4.1.0 has earned its promotion. 2025-W52: v4.1.0's top-decile lift is 2.10, not below 2.00"
    )
    assert "2026-W01: v4.1.0's top-decile lift is 2.10" in started.reason
    gates = {gate.name: (gate.verdict, gate.actual) for gate in gates_of(started)}
    assert gates["live_parallel_days"] == (Verdict.PASS, 7.0)
    assert (story.production.version, story.production.event_id) == (NEW, started.event_id)
    assert story.exported == {OLD: "retired", NEW: "production"}
    assert served(story) == {NEW}
    assert story.reports == [f"2026-01-11-promotion-v4.1.0-{started.event_id[:8]}.md"]
    page = (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
    assert "<h1>v4.1.0 has been live since 11 January 2026 in place of v4.0.0, under watch</h1>" in page
    assert "v4.1.0 earned its promotion: its top-decile lift was 2.10, where at least 2 is asked for" in page


def test_after_a_promotion_the_next_look_does_nothing(begin_story):
    story = begin_story("promoted")
    tick = story.tick()
    assert (tick.outcomes, story.happened) == ((), PROMOTED)
    assert tick.said.startswith("hold: ")


@pytest.mark.extended
def test_a_day_that_is_run_again_and_breaks_is_no_day_to_promote_on(begin_story):
    story = begin_story("seventh")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    with story.broken(NEW):
        outcome = story.run()
    assert not outcome.success
    tick = story.tick()
    assert "Checks fail: daily_scores_v41.distinct_scores." in tick.said
    assert (tick.outcomes, story.live, story.happened) == ((), OLD, ADOPTED)
    assert story.run().success
    assert story.tick().outcomes[0].success
    assert story.live == NEW


# --- rollback ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "closes",
    [
        {SINCE[2]: FALLEN},
        {SINCE[0]: FALLEN, SINCE[2]: FALLEN},
        {SINCE[0]: FALLEN, SINCE[1]: DOUBTFUL, SINCE[2]: FALLEN},
        {SINCE[1]: FALLEN, SINCE[2]: DOUBTFUL},
        {SINCE[0]: FALLEN, SINCE[1]: FALLEN, SINCE[2]: GOOD},
        {SINCE[2] - timedelta(days=age): FALLEN for age in range(7)},
    ],
    ids=[
        "one bad week",
        "bad, missing, bad",
        "bad, inconclusive, bad",
        "bad, inconclusive",
        "two bad weeks, then a good one",
        "seven bad days of one week",
    ],
)
def test_nobody_is_rolled_back_for(begin_story, closes):
    story = begin_story("watched")
    for day, figures in closes.items():
        story.write(day, figures)
    tick = story.tick()
    assert tick.said.startswith("hold: ")
    assert (tick.outcomes, story.live, story.happened) == ((), NEW, PROMOTED)


def test_a_bad_week_that_is_run_again_is_still_one_bad_week(begin_story):
    story = begin_story("watched")
    for _ in range(3):
        story.write(SINCE[2], FALLEN)
        tick = story.tick()
    assert "2026-W05 closed with top_decile_lift failing; 1 more such week will roll back" in tick.said
    assert (tick.outcomes, story.live) == ((), NEW)


@pytest.mark.extended
def test_an_edited_threshold_is_announced_and_convicts_for_no_week_that_closed_before_it(begin_story):
    story = begin_story("promoted")
    story.goes_on(SINCE[2])
    story.candidate = MIDDLING
    story.write(SINCE[1], MIDDLING)
    assert story.run().success
    story.rule("lift_below: 1.5", "lift_below: 2.0")
    story.goes_on(WATCHED)
    assert story.run().success
    state = operator_actions.status(story.settings).state
    assert state
    assert "top_decile_lift" in {gate.name for gate in state.gates if gate.verdict is Verdict.FAIL}
    tick = story.tick()
    assert (tick.outcomes, story.live) == ((), NEW)
    assert "closed with top_decile_lift failing" not in tick.said
    changed = "rollout.yaml has changed since 2026-W05 closed (rollback.lift_below): closed weeks keep their verdicts"
    assert changed in story.alerts()
    assert changed in (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
    # From the next close on the new threshold judges: one failing week is not two.
    story.goes_on(WATCHED + timedelta(days=7))
    story.write(WATCHED + timedelta(days=6), MIDDLING)
    assert story.run().success
    tick = story.tick()
    assert (tick.outcomes, story.live) == ((), NEW)
    assert "2026-W06 closed with top_decile_lift failing; 1 more such week will roll back" in tick.said
    assert "rollout.yaml has changed" not in story.alerts()


def test_an_old_day_that_is_evaluated_afterwards_triggers_nothing(begin_story):
    story = begin_story("watched")
    story.write(SINCE[2], FALLEN)
    story.candidate = FALLEN
    with story.measured():
        [(_, _, outcome)] = local_runs.evaluate(story.settings, [SINCE[1]])
    assert outcome.success
    tick = story.tick()
    assert "1 more such week will roll back" in tick.said
    assert (tick.outcomes, story.live, story.happened) == ((), NEW, PROMOTED)
    assert story.ran("production_alias") == 1


def test_two_bad_weeks_roll_back_everything_and_say_why(begin_story):
    story = begin_story("watched")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    started = story.events[3]
    assert story.happened == ROLLED_BACK
    assert (started.version, started.previous, started.decided_by) == (OLD, NEW, "rollout_sensor")
    assert started.reason.startswith(
        "top_decile_lift failed at 2 consecutive week-closes. 2026-W04: v4.1.0's top-decile lift is 1.20"
    )
    assert (story.live, story.production.event_id) == (OLD, started.event_id)
    assert story.exported == {OLD: "production", NEW: "deprecated"}
    assert served(story) == {OLD}
    page = (story.settings.places.reports / story.reports[-1]).read_text(encoding="utf-8")
    assert page.startswith("# Rollback: v4.0.0 (was v4.1.0), 2026-02-02\n")
    assert started.reason in page
    assert f"sha256 `{story.evidence_sha256}`" in page
    assert "rollback_completed" in page
    assert_page_tells_of_the_rollback(story)
    assert_stays_out_until_allowed(story)


def assert_page_tells_of_the_rollback(story: Story) -> None:
    page = (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")
    assert "<h1>v4.0.0 has been live since 2 February 2026, v4.1.0 was rolled back</h1>" in page
    assert "v4.1.0 was rolled back: its top-decile lift was 1.20 and 1.20 at 2 week-closes running" in page
    assert page.count("<svg") == 2
    assert "<li><strong>Problems</strong> None open.</li>" in page


def test_an_action_that_cannot_be_drawn_is_completed_and_says_so(begin_story):
    story = begin_story("watched")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    before = (story.settings.places.reports / ROLLOUT_PAGE).read_bytes()
    with patch.object(charts, "lift_over_time", side_effect=ValueError("no font")):
        [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.happened == ROLLED_BACK
    [failed] = outcome.checks_failed
    assert (failed.check, failed.severity, failed.description) == ("page_drawn", "WARN", "not ok: ValueError: no font")
    assert "Not all could be made: not ok: ValueError: no font" in (
        story.settings.places.reports / story.reports[-1]
    ).read_text(encoding="utf-8")
    assert (story.settings.places.reports / ROLLOUT_PAGE).read_bytes() == before


def assert_stays_out_until_allowed(story: Story) -> None:
    again = story.tick()
    assert (again.outcomes, again.said) == (
        (),
        "hold: v4.1.0 was rolled back on 2026-02-02. `v4 allow v4.1.0 --reason …` lets it compete again.",
    )
    with pytest.raises(PolicyError, match=r"was rolled back\. Allow it first"):
        operator_actions.order(story.settings, "promotion", NEW, "I like it")
    operator_actions.allow(story.settings, NEW, "its features were repaired")
    assert story.exported == {OLD: "production", NEW: "challenger"}
    assert "v4.1.0 waits: " in story.tick().said
    assert (story.live, story.happened) == (OLD, [*ROLLED_BACK, "allowed"])


@pytest.mark.extended
def test_a_market_that_falls_for_both_versions_holds_and_alerts(begin_story):
    story = begin_story("promoted")
    story.goes_on(WATCHED)
    story.candidate, story.champion = POOR_MARKET, POORER_MARKET
    assert story.run().success
    for day in SINCE:
        story.write(day, POOR_MARKET, POORER_MARKET)
    tick = story.tick()
    assert (tick.outcomes, story.live, story.happened) == ((), NEW, PROMOTED)
    assert "which is lower still: the market fell, not the model." in tick.said
    assert story.alerts().startswith("Held in watch: ")


def test_a_switch_that_was_decided_before_another_refuses(begin_story):
    story = begin_story("watched")
    outcome = local_runs.run_job(
        story.settings,
        ACTION_JOBS["rollback"],
        partition=WATCHED,
        config=stale_order(story, story.events[0].event_id),
    )
    assert not outcome.success
    assert f"was decided when {story.events[0].event_id[:12]} was the last switch" in outcome.errors[0]
    assert (story.live, story.happened, story.ran("salesforce_sync")) == (NEW, PROMOTED, 1)


# --- evaluations that cannot be acted on ---------------------------------------------------------------------------


@pytest.fixture
def convicted(begin_story) -> Story:
    """Two bad weeks: the next sound look rolls back."""
    story = begin_story("watched")
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    return story


def assert_held(story: Story, said: str) -> None:
    tick = story.tick()
    assert tick.said.startswith("hold: ")
    assert said in tick.said
    assert (tick.outcomes, story.live, story.happened) == ((), NEW, PROMOTED)


def test_evidence_replaced_under_the_gates_holds_and_alerts_until_it_is_judged_again(convicted):
    convicted.write(WATCHED, FALLEN)
    said = f"lift_comparison of {WATCHED} was written again (write 2) after it was checked (write 1); run the day again"
    assert_held(convicted, said)
    convicted.goes_on(time="08:00")
    alerts = convicted.alerts()
    assert f"Held in watch: {said}" in alerts
    assert "missing" not in alerts


def test_evidence_that_was_edited_by_hand_holds_and_alerts(convicted):
    seen = convicted.evidence_sha256[:12]
    convicted.change("UPDATE ml_features.v4_lift_comparison SET lift = 0.1")
    said = f"the gates of {WATCHED} were taken on evidence {seen}, the warehouse holds {convicted.evidence_sha256[:12]}"
    assert_held(convicted, said)
    assert said in convicted.alerts()


def test_a_day_is_missing_only_after_its_grace(convicted):
    convicted.goes_on(WATCHED + timedelta(days=1), "07:29")
    assert_held(convicted, "lift_comparison of 2026-02-03 was not evaluated; it is due at 06:00, missing from 07:30 on")
    assert "missing" not in convicted.alerts()
    convicted.goes_on(time="07:30")
    assert_held(convicted, "lift_comparison of 2026-02-03 was not evaluated")
    assert convicted.alerts() == "The day 2026-02-03 is missing: lift_comparison of 2026-02-03 was not evaluated."


def test_a_run_on_its_way_is_waited_for_and_not_called_missing(convicted):
    convicted.goes_on(WATCHED + timedelta(days=1), "09:00")
    with dagster_instance(convicted.settings) as instance:
        run = instance.create_run_for_job(
            dg.GraphDefinition(DAILY_JOB, node_defs=[]).to_job(),
            tags={"dagster/partition": str(convicted.day), PROCESS_TAG: this_process()},
            status=dg.DagsterRunStatus.STARTED,
        )
        assert_held(convicted, f"was not evaluated: run {run.run_id} (daily_scoring) of 2026-02-03 is still executing")
        assert "missing" not in convicted.alerts()


@pytest.mark.extended
def test_a_run_that_has_judged_but_is_still_at_work_is_waited_for(begin_story):
    story = begin_story("promoted")
    story.goes_on(WATCHED)
    seen = []

    def looked_at(instance: dg.DagsterInstance, *args: Any, **named: Any) -> Any:
        seen.append(read_status(instance, store(story.settings), story.settings.rollout, story.settings.clock).decision)
        return gather(instance, *args, **named)

    gather = publishing.gather
    with patch.object(report_assets, "gather", looked_at):
        outcome = story.run()
    assert outcome.success
    assert seen == [Decision(Action.HOLD, f"run {outcome.run_id} (daily_scoring) of {WATCHED} is still executing")]


def test_another_partition_than_todays_is_refused_by_production_and_by_the_sync(convicted):
    yesterday = WATCHED - timedelta(days=1)
    order = stale_order(convicted, convicted.production.event_id)
    outcome = local_runs.run_job(convicted.settings, ACTION_JOBS["rollback"], partition=yesterday, config=order)
    synced = local_runs.run_job(convicted.settings, SYNC_JOB, partition=yesterday)
    for refused in (outcome, synced):
        assert not refused.success
        assert "production_alias of 2026-02-01 was asked for, and it is 2026-02-02 in New York" in refused.errors[0]
    assert (convicted.live, convicted.happened, convicted.ran("salesforce_sync")) == (NEW, PROMOTED, 1)


def test_no_part_of_a_backfill_touches_production_or_salesforce(begin_story):
    definitions = build(Story(begin_story("adopted").home, WATCHED).settings)
    for name in (SCORING_JOB, EVALUATION_JOB):
        keys = {key.to_user_string() for key in definitions.resolve_job_def(name).asset_layer.selected_asset_keys}
        assert keys
        assert not keys & {"production_alias", "salesforce_sync", "rollout_report"}


def test_a_range_of_days_is_refused_by_the_sync(convicted):
    tags = {runs.RANGE_START: "2026-02-01", runs.RANGE_END: "2026-02-02"}
    outcome = local_runs.run_job(convicted.settings, SYNC_JOB, tags=tags)
    assert "production_alias of 2026-02-01 was asked for" in outcome.errors[0]


# --- approval ------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(begin_story) -> Story:
    """Everything speaks for promotion, and a person must agree within an hour."""
    story = begin_story("seventh")
    story.rule("approval: auto", "approval: manual")
    story.rule("approval_valid_hours: 24", "approval_valid_hours: 1")
    for day in BEFORE:
        story.write(day, GOOD, retrospective=True)
    return story


def assert_asks(story: Story) -> None:
    tick = story.tick()
    assert (tick.outcomes, story.live) == ((), OLD)
    assert tick.said.startswith("ask: v4.1.0 has earned its promotion.")
    line = f"v4 approve {story.evidence_sha256[:12]}"
    assert tick.said.endswith(f"Approval is manual: `{line}` agrees to it on this evidence.")
    assert f"`{line}`" in "".join(one["what"] for one in status(story.settings)["to_do"])


def test_a_promotion_that_needs_a_person_happens_when_one_agrees_to_this_evidence(asked):
    assert_asks(asked)
    sha256 = asked.evidence_sha256
    for wrong in ("0" * 12, sha256[:7], ""):
        with pytest.raises(PolicyError, match=f"'{wrong}' is not the evidence of 2026-01-11") as refused:
            operator_actions.approve(asked.settings, wrong)
        assert sha256[:8] not in str(refused.value)
    assert asked.happened == ADOPTED
    approved = operator_actions.approve(asked.settings, sha256[:12])
    assert (approved.version, approved.evidence_sha256, approved.evidence_day) == (NEW, sha256, SEVENTH)
    [outcome] = asked.tick().outcomes
    assert outcome.success
    assert (asked.live, asked.happened) == (NEW, ["adopted", "approved", *PROMOTED[1:]])
    with pytest.raises(PolicyError, match=r"Nothing waits for an approval: The sunset of v4\.0\.0 waits"):
        operator_actions.approve(asked.settings, sha256)


def test_an_approval_expires(asked):
    operator_actions.approve(asked.settings, asked.evidence_sha256)
    asked.goes_on(time="07:31")
    assert_asks(asked)


@pytest.mark.extended
def test_an_approval_is_for_the_evidence_that_was_seen(asked):
    operator_actions.approve(asked.settings, asked.evidence_sha256)
    asked.candidate = GOOD | {"top_conversions": 44.0}
    assert asked.run(replace_live="the outcomes were loaded again").success
    assert_asks(asked)


# --- production's own scores ---------------------------------------------------------------------------------------


@pytest.mark.extended
def test_production_is_synced_at_the_next_look_when_the_other_version_broke_the_day(begin_story):
    story = begin_story("promoted")
    story.goes_on(date(2026, 1, 12))
    with story.broken(OLD):
        outcome = story.run()
    assert [f"{one.asset}.{one.check}" for one in outcome.checks_failed if one.severity == "ERROR"] == [
        "daily_scores_v40.distinct_scores"
    ]
    assert (outcome.success, story.ran("salesforce_sync")) == (False, 0)
    [synced] = story.tick().outcomes
    assert synced.success
    assert story.ran("salesforce_sync") == 1
    assert (story.tick().outcomes, story.ran("salesforce_sync"), story.happened) == ((), 1, PROMOTED)


@pytest.mark.extended
def test_scores_of_production_that_did_not_pass_are_never_synced(begin_story):
    story = begin_story("sixth")
    story.goes_on(SEVENTH)
    with story.broken(OLD):
        assert not story.run().success
    assert (story.tick().outcomes, story.ran("salesforce_sync")) == ((), 0)
    outcome = local_runs.run_job(story.settings, SYNC_JOB, partition=SEVENTH)
    assert "v4_daily_scores: distinct_scores failed on the latest write" in outcome.errors[0]
    assert story.ran("salesforce_sync") == 0
